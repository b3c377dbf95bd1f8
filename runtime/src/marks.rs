//! The rare places of this crate, as marks: see [`Mark`](crate::trace::Mark).
//!
//! Each crate of the engine has such a file. A mark costs the engine one line, and nothing when no
//! trace takes marks; a sweep of simulated runs says which were come past, and which never.

/// Makes a `static` for each mark, and `MARKS`, the list of them: the name of the static, the name of
/// the mark, and what happens there, as a sentence.
#[macro_export]
macro_rules! marks {
    ($($name:ident $text:literal $what:literal;)*) => {
        $(
            #[doc = $what]
            pub static $name: $crate::trace::Mark = $crate::trace::Mark::that($text, $what);
        )*

        /// All marks of this crate.
        pub static MARKS: &[&$crate::trace::Mark] = &[$(&$name),*];
    };
}

crate::marks! {
    EXTERNAL_HELD "external-held" "A guest's announcement was left for later, because external sources were masked.";
}
