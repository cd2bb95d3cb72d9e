//! Signs: what speaks for or against a name being meant to be mistaken for another, each with how strongly it is seen.

use super::Confusion;

/// Whether a sign makes a deception more or less likely. The table of weights may not say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// More likely.
    For,
    /// Less likely.
    Against,
}

macro_rules! signs {
    ($($variant:ident $name:literal $speaks:ident $meaning:literal;)*) => {
        /// One thing that can be seen in two names side by side.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Sign {
            $(#[doc = $meaning] $variant,)*
        }

        impl Sign {
            /// Every sign.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in the table of weights.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Which way it speaks.
            pub const fn speaks(self) -> Speaks {
                match self { $(Self::$variant => Speaks::$speaks,)* }
            }
        }
    };
}

signs! {
    Internal "internal" For "The known name is internal.";
    Length "length" For "Letters of the known name, in quarters of a dozen, at most four: slips in long names are not chance.";
    LookAlike "look-alike" For "A letter became one that looks like it.";
    KeyboardNeighbour "keyboard-neighbour" For "A letter became one beside it on the keyboard; how many times.";
    OtherVowel "other-vowel" For "A vowel became another.";
    DoubledLetter "doubled-letter" For "A letter is there twice.";
    Plural "plural" For "An s was added at the end.";
    Sought "sought" For "How many known names contain the known name as a word, at most a hundred: the logarithm. What others build upon is typed most.";
    Unheard "unheard" For "Runs of four letters around the edits that at most one known name has: slips are not pronounced.";
    Replaced "replaced" Against "Letters that were replaced.";
    Missing "missing" Against "Letters that are missing.";
    Appended "appended" Against "A letter was added at the end.";
    FirstLetter "first-letter" Against "The first letter is another: eyes would catch it.";
    Digit "digit" Against "A digit was added, left out or changed: versions differ so.";
    Separators "separators" Against "There are more or fewer separators.";
    Short "short" Against "The known name has at most four letters: many do.";
    Obscurity "obscurity" Against "How far down the list the known name is: the logarithm of its rank in tens.";
    Crowd "crowd" Against "How many known names are as near: the logarithm.";
    Family "family" Against "How many known names begin with the same word: the logarithm. Big families have natural neighbours.";
    Grown "grown" Against "A syllable such as `py` stands before the known name, grown together with it: so people call their own.";
    Customary "customary" Against "In this ecosystem such affixes are customary.";
    ComboLength "combo-length" For "Letters of the known name, as in `length`.";
    ComboRest "combo-rest" Against "Words that were added.";
    ComboFamily "combo-family" Against "How many known names contain the known name as a word: the logarithm. Plugins are called so.";
    ComboObscurity "combo-obscurity" Against "How far down the list the known name is, as in `obscurity`.";
}

/// How two names differ and what else is seen in them.
#[derive(Debug, Clone)]
pub struct Signs {
    /// How they differ.
    pub kind: Confusion,
    seen: Vec<(Sign, f64)>,
}

impl Signs {
    /// Nothing seen but how they differ.
    pub fn new(kind: Confusion) -> Self {
        Self { kind, seen: Vec::new() }
    }

    /// A sign that is seen so strongly; the same sign twice counts twice. What is not more than nothing is not seen.
    pub fn see(&mut self, sign: Sign, amount: f64) {
        if !(amount > 0.0 && amount.is_finite()) {
            return;
        }
        match self.seen.iter_mut().find(|(known, _)| *known == sign) {
            Some((_, before)) => *before += amount,
            None => self.seen.push((sign, amount)),
        }
    }

    /// A sign that is there or not.
    pub fn see_if(&mut self, sign: Sign, seen: bool) {
        self.see(sign, f64::from(u8::from(seen)));
    }

    /// What is seen.
    pub fn seen(&self) -> &[(Sign, f64)] {
        &self.seen
    }
}
