//! Typed instructions as JSON objects, for logs and tests (feature `serde`).

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{ClientInstruction, OwnedInstruction, Rest, ServerInstruction, Status};

/// A typed instruction as the fields of a map.
pub(crate) trait Fields {
    fn write_fields<M: SerializeMap>(&self, map: &mut M, redact: bool) -> Result<(), M::Error>;
}

pub(crate) fn serialize<T: Fields, S: Serializer>(value: &T, serializer: S, redact: bool) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    value.write_fields(&mut map, redact)?;
    map.end()
}

/// An instruction whose JSON may go into a log: `null` stands where an argument may be a secret, as in `Debug` output.
///
/// ```
/// use guac_protocol::{ClientInstruction, Redacted};
///
/// let key = ClientInstruction::Key { keysym: 97, pressed: true };
/// assert_eq!(serde_json::to_string(&key)?, r#"{"opcode":"key","keysym":97,"pressed":true}"#);
/// assert_eq!(serde_json::to_string(&Redacted(&key))?, r#"{"opcode":"key","keysym":null,"pressed":null}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Redacted<'i, T>(pub &'i T);

impl Serialize for Redacted<'_, ClientInstruction<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self.0, serializer, true)
    }
}

impl Serialize for Redacted<'_, ServerInstruction<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self.0, serializer, true)
    }
}

/// The opcode, and `null` for the arguments: which of them are secrets depends on the direction.
impl Serialize for Redacted<'_, OwnedInstruction> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("opcode", self.0.opcode())?;
        map.serialize_entry("args", &())?;
        map.end()
    }
}

impl Serialize for Rest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter())
    }
}

/// As its name, such as `"UPSTREAM_TIMEOUT"`.
impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// From its name or its number in text.
impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LayerIndex, Mask, StreamIndex};

    #[test]
    fn typed_instructions_are_objects_with_named_fields() {
        let image = ServerInstruction::Img {
            stream: StreamIndex(1),
            mask: Mask::OVER,
            layer: LayerIndex(-2),
            mimetype: "image/png",
            x: 3,
            y: -4,
        };
        let expected = r#"{"opcode":"img","stream":1,"mask":14,"layer":-2,"mimetype":"image/png","x":3,"y":-4}"#;
        assert_eq!(serde_json::to_string(&image).unwrap(), expected);
        let error = ServerInstruction::Error { message: "no \"\u{1F600}\"", status: Status::UpstreamTimeout };
        let expected = r#"{"opcode":"error","message":"no \"😀\"","status":"UPSTREAM_TIMEOUT"}"#;
        assert_eq!(serde_json::to_string(&error).unwrap(), expected);
    }

    #[test]
    fn redacted_json_holds_no_secret() {
        let secrets = [
            ClientInstruction::Connect { values: Rest(vec!["hunter2"]) },
            ClientInstruction::Blob { stream: StreamIndex(0), data: "hunter2" },
            ClientInstruction::Other { opcode: "new", args: Rest(vec!["hunter2"]) },
        ];
        for instruction in secrets {
            let open = serde_json::to_string(&instruction).unwrap();
            let redacted = serde_json::to_string(&Redacted(&instruction)).unwrap();
            assert!(open.contains("hunter2") && !redacted.contains("hunter2"), "{redacted}");
            let owned = OwnedInstruction::of(&instruction).unwrap();
            assert!(!serde_json::to_string(&Redacted(&owned)).unwrap().contains("hunter2"));
        }
    }

    #[test]
    fn owned_instructions_go_through_json_and_back() {
        let owned = OwnedInstruction::new("copy", ["0", "", "Zoë \"😀\"\n"]);
        let json = serde_json::to_string(&owned).unwrap();
        assert_eq!(serde_json::from_str::<OwnedInstruction>(&json).unwrap(), owned);
        assert!(serde_json::from_str::<OwnedInstruction>(r#"{"opcode":7}"#).is_err());
        assert_eq!(serde_json::from_str::<Status>("\"CLIENT_TOO_MANY\"").unwrap(), Status::ClientTooMany);
    }
}
