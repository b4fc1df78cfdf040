//! Random messages of any type: a deserializer that reads from chance.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::de::{self, DeserializeOwned, DeserializeSeed, SeqAccess, Visitor};

type Error = de::value::Error;

pub(crate) fn random<M: DeserializeOwned>(rng: &mut ChaCha8Rng) -> M {
    M::deserialize(Chance(rng, 0)).unwrap()
}

/// And the number of sequences that it is in.
struct Chance<'a>(&'a mut ChaCha8Rng, u32);

/// Mostly numbers that JSON keeps exactly; now and then one that is none.
fn float(rng: &mut ChaCha8Rng) -> f64 {
    match rng.random_range(0..24) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        _ => f64::from(rng.random_range(-1_048_576..1_048_576)) / 8.0,
    }
}

macro_rules! random_numbers {
    ($($method:ident $visit:ident),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.0.random())
        })*
    };
}

impl<'de> de::Deserializer<'de> for Chance<'_> {
    type Error = Error;

    random_numbers!(
        deserialize_bool visit_bool, deserialize_i8 visit_i8, deserialize_u8 visit_u8,
        deserialize_i16 visit_i16, deserialize_u16 visit_u16, deserialize_i32 visit_i32,
        deserialize_u32 visit_u32, deserialize_i64 visit_i64, deserialize_u64 visit_u64
    );

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        #[allow(clippy::cast_possible_truncation)] // 21 bits are exact
        visitor.visit_f32(float(self.0) as f32)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64(float(self.0))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let letters = ['a', 'Z', '0', '_', ' ', '/', 'é', '猫', '🤖'];
        let length = self.0.random_range(0..12);
        let text: String =
            (0..length).map(|_| letters[self.0.random_range(0..letters.len())]).collect();
        visitor.visit_string(text)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let length = self.0.random_range(0..9);
        visitor.visit_byte_buf((0..length).map(|_| self.0.random()).collect())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // Deeper down they are short, or some messages of MoveIt would have no end.
        let left = self.0.random_range(0..if self.1 < 2 { 5 } else { 2 });
        visitor.visit_seq(Items { rng: self.0, left, depth: self.1 + 1 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Items { rng: self.0, left, depth: self.1 })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Items { rng: self.0, left: fields.len(), depth: self.1 })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(de::Error::custom("messages have no such field"))
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char option unit unit_struct tuple_struct map enum identifier ignored_any
    }
}

struct Items<'a> {
    rng: &'a mut ChaCha8Rng,
    left: usize,
    depth: u32,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Chance(self.rng, self.depth)).map(Some)
    }
}
