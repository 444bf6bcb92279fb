//! Write the inputs that a target begins with into a folder: `seeds TARGET FOLDER`.

use std::path::PathBuf;

use medinova_fuzz::fuzzing::seeds;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(target), Some(folder)) = (arguments.next(), arguments.next()) else { panic!("seeds TARGET FOLDER") };
    for (number, seed) in seeds::of(&target).iter().enumerate() {
        std::fs::write(PathBuf::from(&folder).join(format!("seed-{number}")), seed).expect("written");
    }
}
