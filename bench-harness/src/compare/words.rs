//! A command line as people write it, cut into words; placeholders filled in.
//!
//! Pure. No shell takes part, so that the process that is started is the broker
//! itself, whose costs are measured.

/// Cuts a command into words: spaces part them, quotes and a backslash keep them
/// together.
///
/// # Errors
/// What is wrong, for people.
pub fn split(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', None | Some('"')) => {
                let next = characters.next().ok_or("a backslash ends the command")?;
                word.get_or_insert_default().push(next);
            }
            (mark, Some(open)) if mark == open => quote = None,
            (mark @ ('"' | '\''), None) => {
                quote = Some(mark);
                word.get_or_insert_default();
            }
            (space, None) if space.is_whitespace() => words.extend(word.take()),
            (other, _) => word.get_or_insert_default().push(other),
        }
    }
    if quote.is_some() {
        return Err(format!("a quote is not closed: {command}"));
    }
    words.extend(word);
    if words.is_empty() {
        return Err("the command is empty".to_owned());
    }
    Ok(words)
}

/// Puts values in the place of `{name}`; other braces stay as they are.
#[must_use]
pub fn fill(text: &str, values: &[(&str, String)]) -> String {
    let mut filled = text.to_owned();
    for (name, value) in values {
        filled = filled.replace(&format!("{{{name}}}"), value);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_a_shell_cuts_them() {
        let words = |command| split(command).expect("it is well formed");
        assert_eq!(words(" a  -b c "), ["a", "-b", "c"]);
        assert_eq!(
            words(r#"a 'b c' "d \" e" f\ g"#),
            ["a", "b c", "d \" e", "f g"]
        );
        assert_eq!(words("a ''"), ["a", ""]);
        for wrong in ["", "  ", "'a", "a\\"] {
            assert!(split(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_known_placeholders_are_filled() {
        let values = [("port", "1883".to_owned()), ("dir", "/d".to_owned())];
        assert_eq!(fill("{dir}/x {port} {y} {}", &values), "/d/x 1883 {y} {}");
    }
}
