//! The names whose values are secrets.
//!
//! Names are compared without case and without what is between their words: `X-Api-Key`, `x_api_key` and `xApiKey` are one.
//! What is hidden by mistake costs a look with `--show-secrets`; what is shown by mistake is a key to change.

/// Bytes of a name that are looked at.
pub(super) const LONGEST: usize = 96;

/// Names that are a secret's as they are.
const WHOLE: [&str; 33] = [
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

/// What a secret's name ends in.
const ENDS: [&str; 19] = [
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

/// What a secret's name has in it.
const PARTS: [&str; 4] = ["password", "passwd", "passphrase", "secret"];

/// Schemes of `Authorization` that are kept: IANA's registry, and those of well-known services. Another first word may be
/// the secret itself.
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

/// Whether the value of something with this name is a secret.
pub(super) fn is_secret(name: &[u8]) -> bool {
    let mut room = [0; LONGEST];
    let Some(name) = plain(name, &mut room) else {
        // Longer than any name: what it ends in is all that is looked at.
        let from = name.len().saturating_sub(LONGEST);
        return from > 0 && is_secret(name.get(from..).unwrap_or_default());
    };
    WHOLE.iter().any(|whole| whole.as_bytes() == name)
        || ENDS.iter().any(|end| name.ends_with(end.as_bytes()))
        || PARTS
            .iter()
            .any(|part| name.windows(part.len()).any(|at| at == part.as_bytes()))
}

/// Whether the first word of credentials is a scheme.
pub(super) fn is_scheme(word: &[u8]) -> bool {
    SCHEMES
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme.as_bytes()))
}

/// Letters and digits of a name, percent-decoded, small; `None` when there are too many.
fn plain<'r>(name: &[u8], room: &'r mut [u8; LONGEST]) -> Option<&'r [u8]> {
    let mut len = 0;
    let mut rest = name;
    while let Some((byte, behind)) = rest.split_first() {
        let coded = match (byte, behind) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        let (byte, behind) = match coded {
            Some((high, low)) => (high << 4 | low, behind.get(2..).unwrap_or_default()),
            None => (*byte, behind),
        };
        if byte.is_ascii_alphanumeric() {
            *room.get_mut(len)? = byte.to_ascii_lowercase();
            len += 1;
        }
        rest = behind;
    }
    room.get(..len)
}

/// The value of a hexadecimal digit.
pub(super) fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}
