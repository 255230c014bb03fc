//! TensorBoard's event files: records of TFRecord around messages of protocol buffers.
//!
//! A record is the length (8 bytes), its checksum, the message, and the message's checksum; a
//! checksum is CRC-32C, rotated and shifted ("masked") so that one over another stays one. Only
//! scalars are written. There is no clock here: the time of an event is its step, in seconds.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A file of events.
#[derive(Debug)]
pub struct Events {
    file: BufWriter<File>,
}

impl Events {
    /// Creates a file in this directory, which it creates too. A training that goes on from a step
    /// gets a file of its own; TensorBoard shows the files of a directory as one run.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn create(directory: &Path, step: u64) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let name = format!("events.out.tfevents.{step:012}.carbon-kube");
        let mut events = Self { file: BufWriter::new(File::create(directory.join(name))?) };
        let mut version = event(step);
        field(&mut version, 3, b"brain.Event:2");
        events.record(&version)?;
        Ok(events)
    }

    /// Adds values of a step.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn write(&mut self, step: u64, values: &[(&str, f64)]) -> io::Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in values {
            let mut scalar = Vec::new();
            field(&mut scalar, 1, tag.as_bytes());
            // `simple_value`, field 2, 32 bits.
            scalar.push(2 << 3 | 5);
            scalar.extend((*value as f32).to_le_bytes());
            field(&mut summary, 1, &scalar);
        }
        let mut message = event(step);
        field(&mut message, 5, &summary);
        self.record(&message)
    }

    fn record(&mut self, message: &[u8]) -> io::Result<()> {
        let length = (message.len() as u64).to_le_bytes();
        self.file.write_all(&length)?;
        self.file.write_all(&masked(crc32c(&length)).to_le_bytes())?;
        self.file.write_all(message)?;
        self.file.write_all(&masked(crc32c(message)).to_le_bytes())?;
        self.file.flush()
    }
}

/// The start of an `Event`: `wall_time`, field 1, 64 bits, and `step`, field 2.
fn event(step: u64) -> Vec<u8> {
    let mut message = vec![1 << 3 | 1];
    message.extend((step as f64).to_le_bytes());
    message.push(2 << 3);
    varint(&mut message, step);
    message
}

/// A field of bytes.
fn field(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    varint(message, bytes.len() as u64);
    message.extend(bytes);
}

fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

/// CRC-32C (Castagnoli), bit by bit: records are short and few.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ (0x82f6_3b78 & 0u32.wrapping_sub(crc & 1))
        })
    })
}

fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads records back, checksums and all.
    fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_at(12);
            let length = u64::from_le_bytes(head[..8].try_into().unwrap()) as usize;
            assert_eq!(masked(crc32c(&head[..8])).to_le_bytes(), head[8..]);
            let (message, rest) = rest.split_at(length);
            let (crc, rest) = rest.split_at(4);
            assert_eq!(masked(crc32c(message)).to_le_bytes(), crc);
            records.push(message.to_vec());
            bytes = rest;
        }
        records
    }

    /// Fields of a message: number, and content (of a varint, its little-endian bytes).
    fn fields(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        fn number(bytes: &mut &[u8]) -> u64 {
            let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
            let (head, rest) = bytes.split_at(end);
            *bytes = rest;
            head.iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f))
        }
        let mut fields = Vec::new();
        while let [key, rest @ ..] = bytes {
            bytes = rest;
            let length = match key & 7 {
                0 => {
                    fields.push((key >> 3, number(&mut bytes).to_le_bytes().to_vec()));
                    continue;
                }
                1 => 8,
                5 => 4,
                _ => number(&mut bytes) as usize,
            };
            let (content, rest) = bytes.split_at(length);
            fields.push((key >> 3, content.to_vec()));
            bytes = rest;
        }
        fields
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    // Python's tensorboard 2.21 reads such a file too: `EventAccumulator(dir).Reload()`, then
    // `.Scalars("loss")` gives the steps and values of this test.
    #[test]
    fn scalars_are_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut events = Events::create(directory.path(), 0).unwrap();
        events.write(300, &[("loss", 0.5), ("return", -123.25)]).unwrap();
        drop(events);
        let path = directory.path().join("events.out.tfevents.000000000000.carbon-kube");
        let records = records(&std::fs::read(path).unwrap());
        assert_eq!(fields(&records[0])[2], (3, b"brain.Event:2".to_vec()));
        let event = fields(&records[1]);
        assert_eq!(event[0], (1, 300f64.to_le_bytes().to_vec()));
        assert_eq!(event[1], (2, 300u64.to_le_bytes().to_vec()));
        let scalars: Vec<_> =
            fields(&event[2].1).iter().map(|(_, scalar)| fields(scalar)).collect();
        assert_eq!(scalars[0], [(1, b"loss".to_vec()), (2, 0.5f32.to_le_bytes().to_vec())]);
        assert_eq!(scalars[1], [(1, b"return".to_vec()), (2, (-123.25f32).to_le_bytes().to_vec())]);
    }
}
