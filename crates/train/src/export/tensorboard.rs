//! TensorBoard's event files: messages of `tensorflow/core/util/event.proto`. Each is stored as its length,
//! checksum of the length, message, checksum of the message.

use std::time::SystemTime;

use prost::Message;

use super::quantity::Value;
use crate::Record;

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since the beginning of 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    /// Optional, so that a zero is written.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// The bytes of a file with an event for each record, which has the quantities that are numbers.
pub fn render(records: &[Record], started: SystemTime) -> Vec<u8> {
    let started = started.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
    let mut file = Vec::new();
    let file_version = Some("brain.Event:2".to_string());
    push(&mut file, &Event { wall_time: started, step: 0, file_version, summary: None });
    for record in records {
        let scalar = |(tag, value)| {
            let value = match value {
                Value::Number(x) => x,
                Value::Count(n) => n as f64,
                Value::Text(_) => return None,
            };
            Some(Scalar { tag, simple_value: Some(value as f32) })
        };
        let value = record.quantities().into_iter().filter_map(scalar).collect();
        let (wall_time, step) = (started + record.seconds, i64::try_from(record.step).unwrap_or(i64::MAX));
        push(&mut file, &Event { wall_time, step, file_version: None, summary: Some(Summary { value }) });
    }
    file
}

fn push(file: &mut Vec<u8>, event: &Event) {
    let message = event.encode_to_vec();
    let length = (message.len() as u64).to_le_bytes();
    for part in [&length[..], &message] {
        file.extend(part);
        file.extend(masked_checksum(part).to_le_bytes());
    }
}

/// CRC-32C, rotated and offset by a constant as TFRecord requires: a plain CRC of data that contain CRCs protects
/// poorly.
fn masked_checksum(bytes: &[u8]) -> u32 {
    const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
    CRC.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}
