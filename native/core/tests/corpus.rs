//! The fuzz targets over a fixed corpus: what real browsers sent, and what libFuzzer kept (`native/fuzz/corpus`).

use std::fs;
use std::path::Path;

mod fuzzing;

macro_rules! over {
    ($($target:ident),*) => {
        $(#[test]
        fn $target() {
            run(stringify!($target), fuzzing::$target);
        })*
    };
}

over!(stun, rtp, rtcp, feedback, vp8, vp9, h264, av1, srtp, srtcp, engine);

fn run(target: &str, body: fn(&[u8])) {
    for seed in fuzzing::seeds::of(target) {
        body(&seed);
    }
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files = 0;
    for file in fs::read_dir(&kept).expect("a folder for each target") {
        let path = file.expect("readable").path();
        println!("{}", path.display()); // seen if it fails
        body(&fs::read(path).expect("readable"));
        files += 1;
    }
    assert!(files > 0, "nothing is kept for {target}");
}

#[test]
fn scripts_come_as_far_as_receivers() {
    let forwarded: Vec<usize> = fuzzing::seeds::of("engine").iter().map(|script| fuzzing::play(script)).collect();
    assert!(forwarded.iter().all(|packets| *packets > 20), "{forwarded:?}");
}
