//! What a program in dspex finds as the crate `dspex`: the caller's variables, and a value to give back.
//!
//! The two cross as files, `/dspex/variables.json` and `/dspex/value.json`, which a program in any
//! language can use by itself. Under another WASI host there are none: `variables` is empty then and
//! `value` does nothing. Written for Rust 1.63 and later, without any dependency.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::ops::Index;

const VARIABLES: &str = "/dspex/variables.json";
const VALUE: &str = "/dspex/value.json";
const DEPTH_MAX: usize = 200;
/// Beyond it an integer is sent as text: there are readers that know only floats.
const EXACT_MAX: i128 = 1 << 53;

static NULL: Json = Json::Null;

/// Data as it crosses: what JSON has, with integers kept apart from floats.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

/// Return all variables of the request, as a map.
pub fn variables() -> Json {
    match std::fs::read_to_string(VARIABLES) {
        Ok(text) => Json::parse(&text).unwrap_or(Json::Map(Vec::new())),
        Err(_) => Json::Map(Vec::new()),
    }
}

/// Return one variable, `Json::Null` if it was not given.
pub fn variable(name: &str) -> Json {
    variables()[name].clone()
}

/// Set the value that the caller finds as `outcome.value`; the last call counts.
pub fn value(data: impl Into<Json>) {
    // Elsewhere than in dspex there is nobody to take it, which is no mistake of the program.
    let _ = std::fs::write(VALUE, data.into().to_string());
}

impl Json {
    /// Read JSON.
    pub fn parse(text: &str) -> Result<Json, String> {
        let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
        let found = reader.value(0)?;
        reader.blank();
        match reader.at == reader.bytes.len() {
            true => Ok(found),
            false => Err(format!("something after the value, at byte {}", reader.at)),
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self { Json::Bool(found) => Some(*found), _ => None }
    }

    pub fn as_i64(&self) -> Option<i64> {
        match self { Json::Int(found) => i64::try_from(*found).ok(), _ => None }
    }

    pub fn as_f64(&self) -> Option<f64> {
        match self { Json::Float(found) => Some(*found), Json::Int(found) => Some(*found as f64), _ => None }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self { Json::Text(found) => Some(found), _ => None }
    }

    pub fn as_list(&self) -> Option<&[Json]> {
        match self { Json::List(found) => Some(found), _ => None }
    }

    /// The entries of a map, in order.
    pub fn as_map(&self) -> Option<&[(String, Json)]> {
        match self { Json::Map(found) => Some(found), _ => None }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Json::Null)
    }

    fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(found) => out.push_str(if *found { "true" } else { "false" }),
            Json::Int(found) if found.abs() > EXACT_MAX => {
                let sign = if *found < 0 { "-" } else { "" };
                let _ = write!(out, "{{\"$\":[\"int\",\"{}{:x}\"]}}", sign, found.unsigned_abs());
            }
            Json::Int(found) => { let _ = write!(out, "{}", found); }
            Json::Float(found) if found.is_finite() => { let _ = write!(out, "{:?}", found); }
            Json::Float(found) => {
                let name = if found.is_nan() { "nan" } else if *found > 0.0 { "inf" } else { "-inf" };
                let _ = write!(out, "{{\"$\":[\"float\",\"{}\"]}}", name);
            }
            Json::Text(found) => write_text(found, out),
            Json::List(found) => {
                out.push('[');
                for (position, one) in found.iter().enumerate() {
                    if position > 0 { out.push(','); }
                    one.write(out);
                }
                out.push(']');
            }
            Json::Map(found) => write_map(found, out),
        }
    }
}

fn write_map(found: &[(String, Json)], out: &mut String) {
    let tagged = found.iter().any(|(name, _)| name == "$");
    out.push_str(if tagged { "{\"$\":[\"dict\",[" } else { "{" });
    for (position, (name, one)) in found.iter().enumerate() {
        if position > 0 { out.push(','); }
        if tagged { out.push('['); }
        write_text(name, out);
        out.push(if tagged { ',' } else { ':' });
        one.write(out);
        if tagged { out.push(']'); }
    }
    out.push_str(if tagged { "]]}" } else { "}" });
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if (control as u32) < 0x20 => { let _ = write!(out, "\\u{:04x}", control as u32); }
            other => out.push(other),
        }
    }
    out.push('"');
}

impl std::fmt::Display for Json {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = String::new();
        self.write(&mut out);
        formatter.write_str(&out)
    }
}

impl Index<&str> for Json {
    type Output = Json;
    fn index(&self, name: &str) -> &Json {
        self.as_map().and_then(|all| all.iter().rev().find(|(one, _)| one == name)).map_or(&NULL, |(_, one)| one)
    }
}

impl Index<usize> for Json {
    type Output = Json;
    fn index(&self, position: usize) -> &Json {
        self.as_list().and_then(|all| all.get(position)).unwrap_or(&NULL)
    }
}

macro_rules! from_integers {
    ($($kind:ty)*) => { $(impl From<$kind> for Json { fn from(found: $kind) -> Json { Json::Int(found as i128) } })* };
}
from_integers!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize i128);

impl From<bool> for Json { fn from(found: bool) -> Json { Json::Bool(found) } }
impl From<f32> for Json { fn from(found: f32) -> Json { Json::Float(found.into()) } }
impl From<f64> for Json { fn from(found: f64) -> Json { Json::Float(found) } }
impl From<char> for Json { fn from(found: char) -> Json { Json::Text(found.into()) } }
impl From<&str> for Json { fn from(found: &str) -> Json { Json::Text(found.into()) } }
impl From<String> for Json { fn from(found: String) -> Json { Json::Text(found) } }
impl From<&String> for Json { fn from(found: &String) -> Json { Json::Text(found.clone()) } }
impl From<()> for Json { fn from(_: ()) -> Json { Json::Null } }
impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(found: Option<T>) -> Json { found.map_or(Json::Null, Into::into) }
}
impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(found: Vec<T>) -> Json { Json::List(found.into_iter().map(Into::into).collect()) }
}
impl<T: Into<Json> + Clone> From<&[T]> for Json {
    fn from(found: &[T]) -> Json { Json::List(found.iter().cloned().map(Into::into).collect()) }
}
impl<T: Into<Json>, const N: usize> From<[T; N]> for Json {
    fn from(found: [T; N]) -> Json { Json::List(found.into_iter().map(Into::into).collect()) }
}
impl<A: Into<Json>, B: Into<Json>> From<(A, B)> for Json {
    fn from((first, second): (A, B)) -> Json { Json::List(vec![first.into(), second.into()]) }
}
impl<A: Into<Json>, B: Into<Json>, C: Into<Json>> From<(A, B, C)> for Json {
    fn from((first, second, third): (A, B, C)) -> Json {
        Json::List(vec![first.into(), second.into(), third.into()])
    }
}
impl<T: Into<Json>> From<BTreeMap<String, T>> for Json {
    fn from(found: BTreeMap<String, T>) -> Json {
        Json::Map(found.into_iter().map(|(name, one)| (name, one.into())).collect())
    }
}
impl<T: Into<Json>, S> From<HashMap<String, T, S>> for Json {
    /// Sorted by name, so that the same map is the same value.
    fn from(found: HashMap<String, T, S>) -> Json {
        let mut entries: Vec<_> = found.into_iter().map(|(name, one)| (name, one.into())).collect();
        entries.sort_by(|left: &(String, Json), right| left.0.cmp(&right.0));
        Json::Map(entries)
    }
}

struct Reader<'text> {
    bytes: &'text [u8],
    at: usize,
}

impl<'text> Reader<'text> {
    fn blank(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) { self.at += 1; }
    }

    fn fail<T>(&self, wanted: &str) -> Result<T, String> {
        Err(format!("{} wanted at byte {}", wanted, self.at))
    }

    fn take(&mut self, wanted: &str) -> bool {
        let there = self.bytes[self.at..].starts_with(wanted.as_bytes());
        if there { self.at += wanted.len(); }
        there
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        self.blank();
        if depth > DEPTH_MAX { return self.fail("less depth"); }
        match self.bytes.get(self.at) {
            Some(b'n') if self.take("null") => Ok(Json::Null),
            Some(b't') if self.take("true") => Ok(Json::Bool(true)),
            Some(b'f') if self.take("false") => Ok(Json::Bool(false)),
            Some(b'"') => Ok(Json::Text(self.text()?)),
            Some(b'[') => self.list(depth),
            Some(b'{') => self.map(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.fail("a value"),
        }
    }

    fn number(&mut self) -> Result<Json, String> {
        let start = self.at;
        while matches!(self.bytes.get(self.at), Some(b'+' | b'-' | b'.' | b'e' | b'E' | b'0'..=b'9')) { self.at += 1; }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or("");
        if let Ok(found) = text.parse::<i128>() { return Ok(Json::Int(found)); }
        match text.parse::<f64>() { Ok(found) => Ok(Json::Float(found)), Err(_) => self.fail("a number") }
    }

    fn text(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut found: Vec<u8> = Vec::new();
        loop {
            match self.bytes.get(self.at) {
                None => return self.fail("the end of a text"),
                Some(b'"') => { self.at += 1; break; }
                Some(b'\\') => { let letter = self.escaped()?; found.extend(letter.to_string().as_bytes()); }
                Some(byte) => { found.push(*byte); self.at += 1; }
            }
        }
        String::from_utf8(found).or_else(|_| self.fail("a text"))
    }

    fn escaped(&mut self) -> Result<char, String> {
        let letter = self.bytes.get(self.at + 1).copied();
        self.at += 2;
        Ok(match letter {
            Some(b'n') => '\n', Some(b't') => '\t', Some(b'r') => '\r', Some(b'b') => '\u{8}', Some(b'f') => '\u{c}',
            Some(b'u') => {
                let first = self.hex()?;
                let mut code = first;
                if (0xd800..0xdc00).contains(&first) && self.take("\\u") {
                    code = 0x10000 + ((first - 0xd800) << 10) + (self.hex()? & 0x3ff);
                }
                char::from_u32(code).unwrap_or('\u{fffd}')
            }
            Some(byte @ (b'"' | b'\\' | b'/')) => byte as char,
            _ => return self.fail("an escape"),
        })
    }

    fn hex(&mut self) -> Result<u32, String> {
        let digits = self.bytes.get(self.at..self.at + 4).and_then(|four| std::str::from_utf8(four).ok());
        match digits.and_then(|four| u32::from_str_radix(four, 16).ok()) {
            Some(code) => { self.at += 4; Ok(code) }
            None => self.fail("four digits"),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, String> {
        self.at += 1;
        let mut found = Vec::new();
        self.blank();
        if self.take("]") { return Ok(Json::List(found)); }
        loop {
            found.push(self.value(depth + 1)?);
            self.blank();
            if self.take("]") { return Ok(Json::List(found)); }
            if !self.take(",") { return self.fail("a comma"); }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Json, String> {
        self.at += 1;
        let mut found = Vec::new();
        self.blank();
        if self.take("}") { return Ok(Json::Map(found)); }
        loop {
            self.blank();
            if self.bytes.get(self.at) != Some(&b'"') { return self.fail("a name"); }
            let name = self.text()?;
            self.blank();
            if !self.take(":") { return self.fail("a colon"); }
            found.push((name, self.value(depth + 1)?));
            self.blank();
            if self.take("}") { return Ok(untagged(found)); }
            if !self.take(",") { return self.fail("a comma"); }
        }
    }
}

/// Read the tags that have a meaning here: wide integers, odd floats, tuples.
fn untagged(mut found: Vec<(String, Json)>) -> Json {
    if found.len() == 1 && found[0].0 == "$" {
        let known = match (found[0].1[0].as_str(), &found[0].1[1]) {
            (Some("int"), Json::Text(digits)) => i128::from_str_radix(digits, 16).ok().map(Json::Int),
            (Some("float"), Json::Text(name)) => name.parse::<f64>().ok().map(Json::Float),
            (Some("tuple"), Json::List(all)) => Some(Json::List(all.clone())),
            (Some("dict"), Json::List(all)) => entries(all).map(Json::Map),
            _ => None,
        };
        if let Some(known) = known { return known; }
    }
    found.shrink_to_fit();
    Json::Map(found)
}

fn entries(pairs: &[Json]) -> Option<Vec<(String, Json)>> {
    pairs.iter().map(|pair| Some((pair[0].as_str()?.to_string(), pair[1].clone()))).collect()
}
