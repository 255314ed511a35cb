//! The tensors of a safetensors file, their types, and the metadata.

use half::{bf16, f16};
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensors};

use crate::InterchangeError;
use crate::description::{Description, KEY};
use crate::layout::{Slot, Tensor};

/// A file whose header has been read.
pub(crate) struct File<'a> {
    header: Metadata,
    data: &'a [u8],
}

impl<'a> File<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, InterchangeError> {
        let (len, header) = SafeTensors::read_metadata(bytes).map_err(InterchangeError::Format)?;
        // Eight bytes before the header hold its length.
        Ok(Self { header, data: &bytes[8 + len..] })
    }

    /// What the file says of its net, if it says anything.
    pub fn description(&self) -> Result<Option<Description>, InterchangeError> {
        let json = self.header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        json.map(|json| Description::from_json(json)).transpose()
    }

    /// The names of the tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.header.offset_keys();
        names.sort_unstable();
        names
    }

    /// The shape of a tensor, if there is one of this name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.info(name).map(|info| &info.shape[..])
    }

    /// Whether the file has this tensor in this shape.
    pub fn has(&self, slot: &Slot) -> bool {
        self.shape(&slot.name) == Some(&slot.shape)
    }

    /// Reads a tensor; checks its type, its shape, and that its values are finite.
    pub fn tensor(&self, slot: Slot) -> Result<Tensor, InterchangeError> {
        let Some(info) = self.header.info(&slot.name) else {
            return Err(InterchangeError::Missing { name: slot.name, found: self.names().join(", ") });
        };
        if info.shape != slot.shape {
            let (expected, found) = (slot.shape, info.shape.clone());
            return Err(InterchangeError::Shape { name: slot.name, expected, found });
        }
        let values = self.values(&slot.name, info)?;
        let Some(at) = values.iter().position(|value| !value.is_finite()) else {
            return Ok(Tensor { slot, values });
        };
        let index = slot.index(at);
        if info.dtype == Dtype::F64 {
            let found = f64::from_le_bytes(self.numbers(info)[at]);
            if found.is_finite() {
                return Err(InterchangeError::Range { name: slot.name, index, found });
            }
        }
        Err(InterchangeError::NotFinite { name: slot.name, index, found: values[at] })
    }

    /// The numbers of a tensor, each of N bytes.
    fn numbers<const N: usize>(&self, info: &TensorInfo) -> &'a [[u8; N]] {
        self.data[info.data_offsets.0..info.data_offsets.1].as_chunks().0
    }

    /// The numbers of a tensor as `f32`. Those of 16 bits are exact, those of 64 bits are rounded to the nearest.
    fn values(&self, name: &str, info: &TensorInfo) -> Result<Vec<f32>, InterchangeError> {
        Ok(match info.dtype {
            Dtype::F32 => self.numbers(info).iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
            Dtype::F16 => {
                self.numbers(info).iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32()).collect()
            }
            Dtype::BF16 => {
                self.numbers(info).iter().map(|&bytes| bf16::from_le_bytes(bytes).to_f32()).collect()
            }
            Dtype::F64 => self.numbers(info).iter().map(|&bytes| f64::from_le_bytes(bytes) as f32).collect(),
            found => return Err(InterchangeError::Type { name: name.to_string(), found }),
        })
    }
}
