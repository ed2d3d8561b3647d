//! Lifetimes as they stand in the attribute.

use syn::{Error, Lit, Result};

/// The seconds of `60`, `"60s"`, `"1h 30m"`, or none of `"none"`.
pub(crate) fn seconds(literal: &Lit) -> Result<Option<u64>> {
    let seconds = match literal {
        Lit::Int(number) if number.suffix().is_empty() => number.base10_parse().ok(),
        Lit::Str(text) if text.value().trim() == "none" => return Ok(None),
        Lit::Str(text) => in_units(&text.value()),
        _ => None,
    };
    match seconds {
        Some(0) => {
            Err(Error::new(literal.span(), "a lifetime of 0 keeps nothing; write `\"none\"` for no limit"))
        }
        Some(seconds) => Ok(Some(seconds)),
        None => Err(Error::new(
            literal.span(),
            "not a lifetime: write seconds (`60`), or numbers with units (`\"60s\"`, `\"5m\"`, `\"1h 30m\"`, `\"7d\"`)",
        )),
    }
}

fn in_units(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = after.trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::in_units;

    #[test]
    fn numbers_have_units() {
        assert_eq!(in_units("60s"), Some(60));
        assert_eq!(in_units(" 1h 30m "), Some(5400));
        assert_eq!(in_units("1h30m"), Some(5400));
        assert_eq!(in_units("2w1d"), Some(15 * 86_400));
    }

    #[test]
    fn what_is_no_lifetime_is_none() {
        for text in [
            "",
            "60",
            "s",
            "60 s",
            "1y",
            "-1s",
            "1.5h",
            "99999999999999999999s",
            "18446744073709551615d",
            "1m x",
        ] {
            assert_eq!(in_units(text), None, "{text}");
        }
    }
}
