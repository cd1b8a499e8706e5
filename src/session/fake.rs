//! JavaScript values for tests: enough of objects and arrays to run the rules without Node.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::live::{Kind, Live, Thrown};
use super::text::{self, Root};

/// A value; clones of an object or array are the same one, as in JavaScript.
#[derive(Clone, Debug)]
pub enum Fake {
    Undefined,
    /// `null`, `true`, `false` or a number, by its text.
    Scalar(String),
    Text(String),
    Object(Rc<RefCell<Vec<(String, Fake)>>>),
    Array(Rc<RefCell<Vec<Fake>>>),
}

/// The live object of a test.
#[derive(Clone, Debug)]
pub struct FakeLive(pub RefCell<Fake>);

impl Default for FakeLive {
    fn default() -> Self {
        FakeLive(RefCell::new(Fake::Object(Rc::default())))
    }
}

impl FakeLive {
    pub fn value(&self, json: &str) -> Fake {
        self.parse(json).unwrap()
    }

    pub fn json(&self, value: &Fake) -> String {
        self.stringify(value)
            .unwrap()
            .unwrap_or_else(|| "undefined".to_owned())
    }
}

impl Live for FakeLive {
    type Value = Fake;

    fn root(&self) -> Fake {
        self.0.borrow().clone()
    }

    fn parse(&self, json: &str) -> Result<Fake, Thrown> {
        let json = json.trim();
        Ok(match text::scan(json, usize::MAX).map_err(|_| Thrown)? {
            Root::String => Fake::Text(text::decode(json).into_owned()),
            Root::Other => {
                let number = json.parse::<f64>().map(|n| n.to_string());
                Fake::Scalar(number.unwrap_or_else(|_| json.to_owned()))
            }
            Root::Array(elements) => {
                let element = |m: &text::Member| self.parse(&json[m.value.clone()]);
                let elements: Result<_, _> = elements.iter().map(element).collect();
                Fake::Array(Rc::new(RefCell::new(elements?)))
            }
            Root::Object(members) => {
                let member = |m: &text::Member| {
                    let key = text::decode(&json[m.key.clone()]).into_owned();
                    Ok((key, self.parse(&json[m.value.clone()])?))
                };
                let members: Result<_, _> = members.iter().map(member).collect();
                Fake::Object(Rc::new(RefCell::new(members?)))
            }
        })
    }

    fn string(&self, text: &str) -> Result<Fake, Thrown> {
        Ok(Fake::Text(text.to_owned()))
    }

    fn number(&self, number: f64) -> Result<Fake, Thrown> {
        Ok(Fake::Scalar(number.to_string()))
    }

    fn kind(&self, value: &Fake) -> Result<Kind, Thrown> {
        Ok(match value {
            Fake::Undefined => Kind::Undefined,
            Fake::Scalar(text) if text == "null" => Kind::Null,
            Fake::Scalar(_) | Fake::Text(_) => Kind::Primitive,
            Fake::Object(_) => Kind::Object,
            Fake::Array(_) => Kind::Array,
        })
    }

    fn own(&self, of: &Fake, name: &str) -> Result<Option<Fake>, Thrown> {
        let index = text::array_index(name).map(|index| index as usize);
        Ok(match of {
            Fake::Object(members) => {
                let members = members.borrow();
                members
                    .iter()
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| value.clone())
            }
            Fake::Array(elements) if name == "length" => {
                Some(Fake::Scalar(elements.borrow().len().to_string()))
            }
            Fake::Array(elements) => index.and_then(|index| elements.borrow().get(index).cloned()),
            Fake::Text(text) if name == "length" => {
                Some(Fake::Scalar(text.encode_utf16().count().to_string()))
            }
            _ => None,
        })
    }

    fn define(&self, on: &Fake, name: &str, value: &Fake) -> Result<(), Thrown> {
        match on {
            Fake::Object(members) => {
                let mut members = members.borrow_mut();
                match members.iter_mut().find(|(key, _)| key == name) {
                    Some(member) => member.1 = value.clone(),
                    None => members.push((name.to_owned(), value.clone())),
                }
            }
            Fake::Array(elements) => {
                let mut elements = elements.borrow_mut();
                if let Some(index) = text::array_index(name) {
                    let end = elements.len().max(index as usize + 1);
                    elements.resize(end, Fake::Undefined);
                    elements[index as usize] = value.clone();
                } else if let (Fake::Scalar(length), "length") = (value, name) {
                    elements.truncate(length.parse().unwrap());
                }
            }
            _ => return Err(Thrown),
        }
        Ok(())
    }

    fn define_quoted(&self, on: &Fake, quoted: &str, value: &Fake) -> Result<(), Thrown> {
        self.define(on, &text::decode(quoted), value)
    }

    fn delete(&self, on: &Fake, name: &str) -> Result<(), Thrown> {
        match (on, text::array_index(name)) {
            (Fake::Object(members), _) => members.borrow_mut().retain(|(key, _)| key != name),
            (Fake::Array(elements), Some(index)) => {
                if let Some(element) = elements.borrow_mut().get_mut(index as usize) {
                    *element = Fake::Undefined;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn object(&self) -> Result<Fake, Thrown> {
        Ok(Fake::Object(Rc::default()))
    }

    fn array(&self) -> Result<Fake, Thrown> {
        Ok(Fake::Array(Rc::default()))
    }

    fn length(&self, array: &Fake) -> Result<u32, Thrown> {
        match array {
            Fake::Array(elements) => Ok(u32::try_from(elements.borrow().len()).unwrap()),
            _ => Err(Thrown),
        }
    }

    fn number_of(&self, value: &Fake) -> Result<Option<f64>, Thrown> {
        Ok(match value {
            Fake::Scalar(text) => text.parse().ok(),
            _ => None,
        })
    }

    fn text_of(&self, value: &Fake) -> Option<Arc<str>> {
        match value {
            Fake::Scalar(text) => Some(text.as_str().into()),
            Fake::Text(text) => Some(text::quote(text).into()),
            Fake::Undefined | Fake::Object(_) | Fake::Array(_) => None,
        }
    }

    fn refuse(&self, _message: &str) -> Thrown {
        Thrown
    }

    fn stringify(&self, value: &Fake) -> Result<Option<String>, Thrown> {
        Ok(Some(match value {
            Fake::Undefined => return Ok(None),
            Fake::Scalar(text) => text.clone(),
            Fake::Text(text) => text::quote(text),
            Fake::Array(elements) => {
                let element =
                    |e: &Fake| Ok(self.stringify(e)?.unwrap_or_else(|| "null".to_owned()));
                let elements: Result<Vec<_>, Thrown> =
                    elements.borrow().iter().map(element).collect();
                format!("[{}]", elements?.join(","))
            }
            Fake::Object(members) => {
                let mut texts = Vec::new();
                for (key, value) in members.borrow().iter() {
                    if let Some(value) = self.stringify(value)? {
                        texts.push((text::quote(key), value));
                    }
                }
                let members: Vec<_> = texts
                    .iter()
                    .map(|(k, v)| (k.as_str(), v.as_str()))
                    .collect();
                super::object::write(&members)
            }
        }))
    }
}
