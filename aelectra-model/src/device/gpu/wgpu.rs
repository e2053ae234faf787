//! WebGPU: Vulkan on Linux and Windows, Metal on macOS.

use burn::tensor::{Device, DeviceKind, DeviceType};

use super::Backend;

/// WebGPU.
pub(in crate::device) const WGPU: Backend = Backend {
    name: "wgpu",
    kind: DeviceType::Wgpu,
    // The backend prefers a card to what is part of a processor, and that to a software driver.
    default: || Device::wgpu(DeviceKind::DefaultDevice),
    libraries: if cfg!(target_os = "linux") {
        &[(
            &["libvulkan.so.1", "libvulkan.so"],
            "no Vulkan loader (libvulkan.so.1): install it and a driver (Debian: libvulkan1, \
             mesa-vulkan-drivers)",
        )]
    } else {
        &[]
    },
    also_missing: || None,
    memory: |_, name| memory(name),
};

/// Bytes of the largest memory that is a device's own, by its name, where it is one of Vulkan's. Of a device without memory of
/// its own (part of a processor, a software driver) it is what it may have of the machine's. WebGPU itself does not tell.
#[cfg(any(target_os = "linux", windows))]
fn memory(name: &str) -> Option<u64> {
    use cubecl::wgpu::wgpu::hal::api::Vulkan;
    use cubecl::wgpu::wgpu::{Backends, Instance, InstanceDescriptor};

    let instance = Instance::new(InstanceDescriptor {
        backends: Backends::VULKAN,
        ..InstanceDescriptor::new_without_display_handle()
    });
    let adapters = cubecl::future::block_on(instance.enumerate_adapters(Backends::VULKAN));
    let adapter = adapters
        .iter()
        .find(|adapter| adapter.get_info().name == name)?;
    // SAFETY: nothing is destroyed or changed through what is borrowed, and the instance that it belongs to lives on.
    let adapter = unsafe { adapter.as_hal::<Vulkan>() }?;
    let vulkan = adapter.shared_instance().raw_instance();
    // SAFETY: the physical device is of this instance ("Vulkan", vkGetPhysicalDeviceMemoryProperties).
    let memory =
        unsafe { vulkan.get_physical_device_memory_properties(adapter.raw_physical_device()) };
    memory
        .memory_heaps_as_slice()
        .iter()
        // VK_MEMORY_HEAP_DEVICE_LOCAL_BIT; of several the largest, since one is often a small window into the others.
        .filter(|heap| heap.flags.as_raw() & 1 == 1)
        .map(|heap| heap.size)
        .max()
}

#[cfg(not(any(target_os = "linux", windows)))]
fn memory(_name: &str) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_every_vulkan_device_is_told() {
        let Ok(found) = WGPU.found() else {
            crate::device::say_skipped("this machine has no WebGPU");
            return;
        };
        for gpu in found {
            let told = gpu.memory_bytes.is_some_and(|bytes| bytes > 1 << 20);
            assert_eq!(told, cfg!(any(target_os = "linux", windows)), "{gpu:?}");
        }
        assert_eq!(memory("no such device"), None);
    }
}
