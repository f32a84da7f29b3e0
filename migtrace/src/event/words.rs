//! Enums that print as exactly the words of the trace's columns.

macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, strum::AsRefStr, strum::Display, strum::EnumString,
            strum::IntoStaticStr, strum::VariantArray, strum::VariantNames,
        )]
        #[strum(serialize_all = "snake_case")]
        pub enum $name { $($(#[$variant_meta])* $variant),* }

        impl $name {
            /// The word for it, as a column holds it.
            #[must_use]
            pub fn word(self) -> &'static str {
                self.into()
            }
        }
    )*};
}

pub(super) use words;
