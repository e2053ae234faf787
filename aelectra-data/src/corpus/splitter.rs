//! Where JSON values begin and end, without reading them.

/// What a byte does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It stands between records.
    Between,
    /// A record begins with it.
    Begin,
    /// It belongs to the record.
    Inside,
    /// The record ends with it; a record of one byte only ends.
    End,
    /// The record ended before it, and it stands between records.
    EndBefore,
}

/// Splits a stream of JSON values, or the elements of one array, into records by their brackets
/// and quotes. What is no JSON ends with its line and becomes a record too, so that it is counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Splitter {
    in_array: bool,
    state: State,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    Value,
    /// A number, `true`, `false` or `null` of an array.
    Scalar,
    Garbage,
}

impl Splitter {
    /// Whether a record has begun and not ended.
    pub(crate) fn is_inside(&self) -> bool {
        self.state != State::Between
    }

    /// Whether the last byte was in a string.
    pub(crate) fn is_in_string(&self) -> bool {
        self.in_string
    }

    pub(crate) fn step(&mut self, byte: u8) -> Step {
        match self.state {
            State::Between => self.between(byte),
            State::Garbage if byte == b'\n' => {
                self.state = State::Between;
                Step::End
            }
            State::Garbage => Step::Inside,
            State::Scalar if matches!(byte, b',' | b']' | b'\n') => {
                self.state = State::Between;
                self.in_array &= byte != b']';
                Step::EndBefore
            }
            State::Scalar => Step::Inside,
            State::Value => self.inside(byte),
        }
    }

    fn between(&mut self, byte: u8) -> Step {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => return Step::Between,
            b'[' if !self.in_array => {
                self.in_array = true;
                return Step::Between;
            }
            b']' if self.in_array => {
                self.in_array = false;
                return Step::Between;
            }
            b'{' | b'[' => (self.state, self.depth) = (State::Value, 1),
            b'"' => (self.state, self.depth, self.in_string) = (State::Value, 0, true),
            b'n' | b't' | b'f' | b'-' | b'0'..=b'9' if self.in_array => self.state = State::Scalar,
            _ => self.state = State::Garbage,
        }
        Step::Begin
    }

    fn inside(&mut self, byte: u8) -> Step {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        if self.depth == 0 && !self.in_string {
            self.state = State::Between;
            return Step::End;
        }
        Step::Inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        let mut splitter = Splitter::default();
        let (mut records, mut record) = (Vec::new(), Vec::new());
        for &byte in text.as_bytes() {
            let step = splitter.step(byte);
            if !matches!(step, Step::Between | Step::EndBefore) {
                record.push(byte);
            }
            if matches!(step, Step::End | Step::EndBefore) {
                let text = String::from_utf8(std::mem::take(&mut record));
                records.push(text.expect("whole characters"));
            }
        }
        records
    }

    #[test]
    fn records_end_with_their_brackets() {
        let array = "[\n {\"a\": \"}\\\"]\", \"b\": [1, {}]},\n {\"a\": 2}\n]\n";
        assert_eq!(
            split(array),
            ["{\"a\": \"}\\\"]\", \"b\": [1, {}]}", "{\"a\": 2}"]
        );
        assert_eq!(split("[\"a, b\", \"\\\"c\"]"), ["\"a, b\"", "\"\\\"c\""]);
        assert_eq!(
            split("{\n\"a\":1\n}\n{\"b\":2}{}"),
            ["{\n\"a\":1\n}", "{\"b\":2}", "{}"]
        );
        assert_eq!(
            split("{}\nikke json\n{\"a\":1}"),
            ["{}", "ikke json\n", "{\"a\":1}"]
        );
        assert_eq!(split("[[1,2],[3]]"), ["[1,2]", "[3]"]);
        assert_eq!(
            split("[{},null,{\"a\":1}, -1.5 ,\"b\",true]\n[{}]"),
            ["{}", "null", "{\"a\":1}", "-1.5 ", "\"b\"", "true", "{}"]
        );
    }
}
