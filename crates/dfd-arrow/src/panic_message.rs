//! What a panic says.

use std::any::Any;

/// The text that a panic was raised with; empty where it was raised with something else.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(ToString::to_string);
    literal
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_formatted_texts_are_told_and_nothing_else() {
        for (panic, text) in [
            (Box::new("a literal") as Box<dyn Any + Send>, "a literal"),
            (Box::new("formatted".to_owned()), "formatted"),
            (Box::new(42), ""),
        ] {
            assert_eq!(panic_message(panic.as_ref()), text);
        }
    }
}
