//! The names whose values are secrets. Names are compared case-insensitively and without
//! separators: `X-Api-Key`, `x_api_key` and `xApiKey` are equal.
//!
//! The list is generous: a value redacted by mistake costs a run with `--show-secrets`, a value
//! shown by mistake leaks a key.

/// Maximum length of a name in bytes; of a longer one, only the end is compared.
pub(super) const MAX_NAME: usize = 96;

/// Names that are secrets as a whole.
const EXACT: [&str; 33] = [
    "auth",
    "authorization",
    "proxyauthorization",
    "cookie",
    "cookies",
    "setcookie",
    "setcookie2",
    "pass",
    "pwd",
    "pin",
    "otp",
    "totp",
    "cvv",
    "cvc",
    "cvv2",
    "cvc2",
    "jwt",
    "sid",
    "sig",
    "csrf",
    "xsrf",
    "session",
    "sess",
    "connectsid",
    "bearer",
    "codeverifier",
    "clientassertion",
    "assertion",
    "samlresponse",
    "samlrequest",
    "devicecode",
    "accountkey",
    "recoverycodes",
];

/// Suffixes of secret names.
const SUFFIXES: [&str; 19] = [
    "token",
    "jwt",
    "pwd",
    "sessionid",
    "sessid",
    "apikey",
    "authkey",
    "accesskey",
    "accesskeyid",
    "secretkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "functionskey",
    "subscriptionkey",
    "credential",
    "credentials",
    "signature",
];

/// Substrings of secret names.
const SUBSTRINGS: [&str; 4] = ["password", "passwd", "passphrase", "secret"];

/// Schemes of `Authorization` that are kept: the IANA registry, and those of well-known services.
/// Any other first word may be the secret itself.
const SCHEMES: [&str; 22] = [
    "basic",
    "bearer",
    "concealed",
    "digest",
    "dpop",
    "gnap",
    "hoba",
    "mutual",
    "negotiate",
    "ntlm",
    "oauth",
    "privatetoken",
    "scram-sha-1",
    "scram-sha-256",
    "vapid",
    "aws4-hmac-sha256",
    "token",
    "apikey",
    "sharedkey",
    "sharedaccesssignature",
    "signature",
    "hmac",
];

/// Returns whether a value with this name is a secret.
pub(super) fn is_secret(name: &[u8]) -> bool {
    let mut buffer = [0; MAX_NAME];
    let Some(name) = normalize(name, &mut buffer) else {
        // Too long for a name: compare its end only.
        let from = name.len().saturating_sub(MAX_NAME);
        return from > 0 && is_secret(name.get(from..).unwrap_or_default());
    };
    EXACT.iter().any(|exact| exact.as_bytes() == name)
        || SUFFIXES.iter().any(|end| name.ends_with(end.as_bytes()))
        || SUBSTRINGS
            .iter()
            .any(|part| name.windows(part.len()).any(|at| at == part.as_bytes()))
}

/// Returns whether the first word of credentials is a scheme.
pub(super) fn is_scheme(word: &[u8]) -> bool {
    SCHEMES
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme.as_bytes()))
}

/// Normalizes a name: percent-decoded, letters and digits only, lower case. `None` if it is too
/// long.
fn normalize<'b>(name: &[u8], buffer: &'b mut [u8; MAX_NAME]) -> Option<&'b [u8]> {
    let mut len = 0;
    let mut rest = name;
    while let Some((byte, after)) = rest.split_first() {
        let coded = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        let (byte, after) = match coded {
            Some((high, low)) => (high << 4 | low, after.get(2..).unwrap_or_default()),
            None => (*byte, after),
        };
        if byte.is_ascii_alphanumeric() {
            *buffer.get_mut(len)? = byte.to_ascii_lowercase();
            len += 1;
        }
        rest = after;
    }
    buffer.get(..len)
}

/// Value of a hexadecimal digit.
pub(super) fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}
