//! Options of express-session that have another name here, or none: whoever gives them is told so, once.
//!
//! Changes nothing: like all options that are not known they are left alone, since an application written for the original
//! may carry any.

use super::setting::{Options, Setting};

/// What express-session calls its options, and what they are here.
const OTHERS: [(&str, &str); 8] = [
    ("name", "here `cookie`"),
    ("maxAge", "here `lifetime`"),
    ("expires", "here `lifetime`"),
    ("proxy", "here `trustProxy`"),
    ("resave", "here only what has changed is written"),
    ("saveUninitialized", "here every session is stored"),
    ("genid", "here ids are made by the engine"),
    ("unset", "here `req.session.destroy()`"),
];

/// A sentence that names those which are given.
pub(super) fn warning(options: &Options) -> Option<String> {
    let is_given = |name: &str| !matches!(options.get(name), Setting::Undefined);
    let given = OTHERS.iter().filter(|(name, _)| is_given(name));
    let told: Vec<_> = given
        .map(|(name, here)| format!("`{name}` ({here})"))
        .collect();
    let told = told.join(", ");
    (!told.is_empty()).then(|| format!("options of express-session have no effect: {told}"))
}
