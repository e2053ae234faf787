//! The JSON values of a file: one a line, one after another, or the elements of arrays.

use serde_json::{Deserializer, Value};

use super::faults::Faults;

/// Calls `visit` with each value, the line where it begins and, for elements of an array, which may stand in one line, their
/// number from 1. What is no JSON is a fault, and reading goes on at the next line.
pub(super) fn for_each(
    text: &str,
    faults: &mut Faults<'_>,
    mut visit: impl FnMut(usize, Option<usize>, Value, &mut Faults<'_>),
) {
    let mut count = 0;
    let mut at = Place {
        text,
        byte: 0,
        line: 1,
    };
    // Where the array around the next value begins, and whether its end may have been passed over.
    let mut array: Option<usize> = None;
    let mut broken = false;
    loop {
        at.skip_blanks();
        let line = at.line;
        if at.rest().is_empty() {
            break;
        }
        if array.is_some() && at.skip("]") {
            array = None;
            continue;
        }
        if array.is_none() && !at.begins_with_text() && at.skip("[") {
            array = Some(line);
            continue;
        }
        let mut values = Deserializer::from_str(at.rest()).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                at.advance(values.byte_offset());
                count += 1;
                visit(line, array.map(|_| count), value, faults);
            }
            Some(Err(error)) => {
                let advice = "each line is one JSON object, or the file one array of them";
                // serde_json counts lines from where it began, and what it says of them is wrong here.
                let problem = error.to_string();
                let problem = problem.split(" at line ").next().unwrap_or(&problem);
                faults.add(line, "a JSON object", problem, advice);
                broken = true;
                let end = at.rest().find('\n').map_or(at.rest().len(), |end| end + 1);
                at.advance(end);
            }
            None => break,
        }
        at.skip_blanks();
        if array.is_some() {
            at.skip(",");
        }
    }
    if let Some(line) = array.filter(|_| !broken) {
        let advice = "the file may have been cut off; fetch or write it again";
        faults.add(
            line,
            "an array that ends with `]`",
            "the end of the file",
            advice,
        );
    }
}

struct Place<'t> {
    text: &'t str,
    byte: usize,
    line: usize,
}

impl<'t> Place<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.byte..]
    }

    fn advance(&mut self, bytes: usize) {
        let passed = &self.rest().as_bytes()[..bytes];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.byte += bytes;
    }

    /// Whether a list begins here whose first element is a string: a record itself, as spaCy's training data were.
    fn begins_with_text(&self) -> bool {
        let list = self.rest().strip_prefix('[');
        list.is_some_and(|list| list.trim_start().starts_with('"'))
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.advance(rest.len() - rest.trim_start().len());
    }

    fn skip(&mut self, what: &str) -> bool {
        let there = self.rest().starts_with(what);
        if there {
            self.advance(what.len());
        }
        there
    }
}

/// What a value is, for a message.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> (Vec<(usize, String)>, Option<String>) {
        let mut faults = Faults::of(Path::new("x.json"));
        let mut found = Vec::new();
        for_each(text, &mut faults, |line, _, value, _| {
            found.push((line, value.to_string()));
        });
        (found, faults.finish().err().map(|error| error.to_string()))
    }

    #[test]
    fn lines_arrays_and_values_without_anything_between() {
        let two = |lines: [usize; 2]| lines.map(|line| (line, r#"{"a":1}"#.to_owned())).to_vec();
        for (text, lines) in [
            ("{\"a\":1}\n\n{\"a\": 1}\n", [1, 3]),
            ("{\"a\":1}{\"a\":1}", [1, 1]),
            ("\n[{\"a\":1},\n {\n\"a\":1}\n]\n", [2, 3]),
        ] {
            assert_eq!(read(text), (two(lines), None), "{text}");
        }
        assert_eq!(read("[]"), (Vec::new(), None));
        // As `cat a.json b.json` makes it.
        for text in ["[{\"a\":1}]\n[{\"a\":1}]", "[{\"a\":1}]\n{\"a\":1}"] {
            assert_eq!(read(text), (two([1, 2]), None), "{text}");
        }
    }

    #[test]
    fn elements_are_numbered_and_lines_are_not() {
        let numbers = |text: &str| {
            let mut faults = Faults::of(Path::new("x.json"));
            let mut found = Vec::new();
            for_each(text, &mut faults, |_, number, _, _| found.push(number));
            found
        };
        assert_eq!(numbers("[{\"a\":1}, {\"a\":2}]"), [Some(1), Some(2)]);
        assert_eq!(numbers("{\"a\":1}\n{\"a\":2}"), [None, None]);
        // A list that begins with a text is one value, also as an element.
        assert_eq!(numbers("[\"a\", {}]\n[ \"b\", {}]\n"), [None, None]);
        assert_eq!(numbers("[[\"a\", {}], [\"b\", {}]]"), [Some(1), Some(2)]);
    }

    #[test]
    fn an_array_that_is_cut_off_is_told() {
        for text in ["\n[{\"a\":1},\n", "\n[{\"a\":1}"] {
            let (found, error) = read(text);
            assert_eq!(found.len(), 1);
            let error = error.expect("a fault");
            assert!(
                error.contains(":2: ") && error.contains("the end of the file"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_broken_line_is_told_and_the_next_one_read() {
        let (found, error) = read("{\"a\":1}\n{\"a\":\n{\"a\":1}\nx\n{\"a\":1}");
        assert_eq!(found.first().map(|v| v.0), Some(1));
        assert_eq!(found.last().map(|v| v.0), Some(5));
        let error = error.expect("faults");
        assert!(
            error.contains("line 2") && error.contains("line 4"),
            "{error}"
        );
    }
}
