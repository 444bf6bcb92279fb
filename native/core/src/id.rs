//! Ids and numbers that could be mistaken for each other, each a type of its own.

use std::fmt;
use std::ops::{Add, Sub};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(
            /// The number as Python or the wire has it.
            pub $inner,
        );

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(/** A participant; from the one sequence of all ids, never reused. */ PeerId(u64));
id!(/** A send line of a participant. */ UpId(u64));
id!(/** A slot of a participant. */ DownId(u64));
id!(/** Of a participant's ICE credentials: 0 at first, +1 at each restart. */ Generation(u32));
id!(/** A stream on the wire (RFC 3550 §3). */ Ssrc(u32));
id!(/** Seven bits that say the codec. */ PayloadType(u8));
id!(/** Of a header extension on one line (RFC 8285); 0 is none. */ ExtensionId(u8));
id!(/** A 16-bit sequence number as on the wire. */ Sequence(u16));

/// An unwrapped sequence number: only ever growing, never negative on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(
    /// The number with its cycles in front.
    pub i64,
);

impl Seq {
    /// The low 16 bits, as written on the wire.
    #[must_use]
    pub const fn wire(self) -> Sequence {
        Sequence(self.0 as u16)
    }

    /// The unwrapped number with these low 16 bits nearest to `self`; it may be negative.
    #[must_use]
    pub const fn unwrap_near(self, sequence: Sequence) -> Self {
        Self(self.0 + sequence.distance_from(self.wire()) as i64)
    }
}

impl Add<i64> for Seq {
    type Output = Self;

    fn add(self, steps: i64) -> Self {
        Self(self.0 + steps)
    }
}

impl Sub for Seq {
    type Output = i64;

    fn sub(self, other: Self) -> i64 {
        self.0 - other.0
    }
}

impl Sequence {
    /// `self - other` on the circle of 16-bit numbers, in -32768…32767.
    #[must_use]
    pub const fn distance_from(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0) as i16
    }
}
