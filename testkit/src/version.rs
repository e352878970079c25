//! The product and version of a server.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    Redis,
    Valkey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    pub product: Product,
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Version {
    /// Whether this is `product` in the given version or a later one. False for the other product.
    /// Only [`crate::differences`] compares versions.
    pub(crate) fn at_least(
        &self,
        product: Product,
        (major, minor, patch): (u32, u32, u32),
    ) -> bool {
        self.product == product && (self.major, self.minor, self.patch) >= (major, minor, patch)
    }

    /// Parses the output of `redis-server --version`: `Redis server v=7.0.15 sha=…`.
    pub(crate) fn parse(line: &str) -> Option<Version> {
        let product = if line.starts_with("Redis") {
            Product::Redis
        } else if line.starts_with("Valkey") {
            Product::Valkey
        } else {
            return None;
        };
        let version = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("v="))?;
        // 9.0.0-rc1 counts as 9.0.0.
        let mut parts = version.split(['.', '-']).map(str::parse);
        let mut next = || parts.next()?.ok();
        Some(Version {
            product,
            major: next()?,
            minor: next()?,
            patch: next()?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {}.{}.{}",
            self.product, self.major, self.minor, self.patch
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_products_and_release_candidates_are_read() {
        let redis = Version::parse("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0")
            .expect("a Redis version line");
        assert!(redis.at_least(Product::Redis, (7, 0, 15)));
        assert!(!redis.at_least(Product::Redis, (7, 0, 16)));
        assert!(!redis.at_least(Product::Valkey, (1, 0, 0)));
        let valkey =
            Version::parse("Valkey server v=9.0.0-rc1 sha=0").expect("a Valkey version line");
        assert!(valkey.at_least(Product::Valkey, (8, 1, 1)));
        assert!(Version::parse("KeyDB server v=6.3.4").is_none());
    }
}
