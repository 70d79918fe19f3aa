//! The device on which networks compute.

use anyhow::{Result, bail};
use fisherlens_cnn::Device;

/// A device by its name.
///
/// # Errors
/// An unknown name; a device that the program was built without. The message names the feature that is needed.
pub fn device(name: &str) -> Result<Device> {
    match name {
        "cpu" => Ok(Device::flex()),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(0_usize)),
        #[cfg(feature = "webgpu")]
        "webgpu" => Ok(fisherlens_cnn::webgpu()),
        #[cfg(feature = "metal")]
        "metal" => Ok(fisherlens_cnn::metal()),
        #[cfg(not(all(feature = "cuda", feature = "webgpu", feature = "metal")))]
        name if ["cuda", "webgpu", "metal"].contains(&name) => {
            bail!("--device {name}: this program was built without this device; build it with `--features {name}`")
        }
        _ => bail!("--device {name}: expected cpu, cuda, webgpu or metal"),
    }
}
