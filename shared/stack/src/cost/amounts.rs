//! Numbers of an estimate, exact to the last digit: whole numbers of small parts, never floats.

use std::fmt;
use std::iter::Sum;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const QUANTITY_DIGITS: u32 = 6;
const PRICE_DIGITS: u32 = 9;
/// A quantity times a price has the digits of both, so that no product is ever rounded.
const AMOUNT_DIGITS: u32 = QUANTITY_DIGITS + PRICE_DIGITS;

/// How much of something, to six decimals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

impl Quantity {
    /// A whole number.
    pub fn whole(number: u64) -> Self {
        Self(i128::from(number) * power(QUANTITY_DIGITS))
    }

    /// What a stack file expects. What is not a number, or less than nothing, is nothing.
    pub fn expected(number: f64) -> Self {
        // A conversion from a float saturates, and makes nothing of what is not a number.
        let millionths = (number * 1_000_000.0).round() as i128;
        Self(millionths.max(0))
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Times a fraction, rounded half up at the sixth decimal.
    pub fn scaled(self, numerator: u128, denominator: u128) -> Self {
        let numerator = i128::try_from(numerator).unwrap_or(i128::MAX);
        let denominator = i128::try_from(denominator).unwrap_or(i128::MAX).max(1);
        let product = self.0.saturating_mul(numerator);
        Self(product.saturating_add(denominator / 2) / denominator)
    }

    /// Times a price.
    pub fn at(self, price: UnitPrice) -> Amount {
        Amount(self.0.saturating_mul(price.0))
    }

    /// Together with something else.
    pub fn and(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left when something is taken away; nothing, if that is more.
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }
}

/// What one unit costs, to nine decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitPrice(i128);

/// An amount of money. It is kept exactly and shown in cents, rounded half up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i128);

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self(0), |sum, amount| Self(sum.0.saturating_add(amount.0)))
    }
}

impl Amount {
    /// With all its decimals.
    pub fn exact(self) -> String {
        shown(self.0, AMOUNT_DIGITS, 2)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&shown(self.0, QUANTITY_DIGITS, 0))
    }
}

impl fmt::Display for UnitPrice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&shown(self.0, PRICE_DIGITS, 2))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = power(AMOUNT_DIGITS - 2);
        let cents = self.0.saturating_add(part / 2) / part;
        formatter.pad(&shown(cents, 2, 2))
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for UnitPrice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.exact())
    }
}

impl<'de> Deserialize<'de> for UnitPrice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        read(&text, PRICE_DIGITS).map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is not a price: expected a text such as \"0.04048\", with at most {PRICE_DIGITS} decimals"
            ))
        })
    }
}

fn power(digits: u32) -> i128 {
    10_i128.pow(digits)
}

/// A number of parts as a decimal, without needless zeros but with `at_least` decimals.
fn shown(parts: i128, digits: u32, at_least: usize) -> String {
    let whole = parts / power(digits);
    let rest = parts % power(digits);
    let mut decimals = format!("{rest:0width$}", width = digits as usize);
    while decimals.len() > at_least && decimals.ends_with('0') {
        decimals.pop();
    }
    if decimals.is_empty() {
        whole.to_string()
    } else {
        format!("{whole}.{decimals}")
    }
}

/// A decimal as a number of parts; nothing if it is not one, or has more decimals.
fn read(text: &str, digits: u32) -> Option<i128> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || whole.len() > 12 {
        return None;
    }
    let missing = digits.checked_sub(u32::try_from(decimals.len()).ok()?)?;
    let whole: i128 = whole.parse().ok()?;
    let decimals: i128 = decimals.parse().ok()?;
    Some(whole * power(digits) + decimals * power(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> UnitPrice {
        serde_json::from_value(text.into()).unwrap()
    }

    #[test]
    fn what_floats_cannot_hold_is_exact() {
        let tenths: Amount = (0..10).map(|_| Quantity::whole(1).at(price("0.1"))).sum();
        assert_eq!(tenths.exact(), "1.00");
        assert_eq!(
            Quantity::expected(0.1).at(price("0.000111")).exact(),
            "0.0000111"
        );
    }

    #[test]
    fn amounts_are_rounded_to_cents_only_when_they_are_shown() {
        let amount = Quantity::whole(1).at(price("0.005"));
        assert_eq!(amount.to_string(), "0.01");
        assert_eq!(amount.exact(), "0.005");
        assert_eq!(
            Quantity::whole(1).at(price("0.004999999")).to_string(),
            "0.00"
        );
    }

    #[test]
    fn a_fraction_is_rounded_half_up_at_the_sixth_decimal() {
        assert_eq!(Quantity::whole(1).scaled(2, 3).to_string(), "0.666667");
        assert_eq!(Quantity::whole(730).scaled(1, 168).to_string(), "4.345238");
        assert_eq!(Quantity::whole(7).scaled(1, 0).to_string(), "7");
    }

    #[test]
    fn expectations_that_are_not_quantities_are_nothing_and_huge_ones_do_not_overflow() {
        for number in [f64::NAN, -1.0, f64::NEG_INFINITY] {
            assert!(Quantity::expected(number).is_zero(), "{number}");
        }
        let huge = Quantity::expected(f64::INFINITY);
        assert_eq!(huge.scaled(730, 1), huge);
        let _ = huge.at(price("6.00")).to_string();
    }

    #[test]
    fn a_price_that_is_not_a_plain_decimal_is_refused() {
        for text in ["", "1.", ".5", "-1", "1e3", "0.0000000001", "1,5", "$1"] {
            assert!(
                serde_json::from_value::<UnitPrice>(text.into()).is_err(),
                "{text}"
            );
        }
        assert_eq!(price("6").to_string(), "6.00");
        assert_eq!(price("0.004445").to_string(), "0.004445");
    }
}
