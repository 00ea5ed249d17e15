//! Percent-encoding of texts in addresses (RFC 3986 §2.1).

/// As a value of a query or a part of a path: letters, digits and `-._~` stay.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_an_address_is_encoded() {
        assert_eq!(encoded("https://a/b?c=d&e 张"), "https%3A%2F%2Fa%2Fb%3Fc%3Dd%26e%20%E5%BC%A0");
    }
}
