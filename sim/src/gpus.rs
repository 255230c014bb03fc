//! Which GPU of a node a pod has, where pods share them.
//!
//! A part of a GPU is a part of *one* device: 0.6 and 0.6 don't fit on a node with 1.2 GPUs' worth
//! of free parts on three devices. A part goes to the fullest device that still takes it, so that
//! whole devices stay free for pods that need them. Pools whose pods ask for whole GPUs alone
//! have none of this.

use std::collections::BTreeMap;

use carbon_kube_core::MilliGpu;

/// The devices of every node of one pool.
#[derive(Clone, Debug)]
pub(crate) struct Gpus {
    per_node: usize,
    /// Used thousandths of each device, node by node.
    used: Vec<u32>,
    /// What each pod has: position of a device and thousandths of it.
    grants: BTreeMap<u32, Vec<(usize, u32)>>,
}

impl Gpus {
    pub(crate) fn new(nodes: u32, per_node: MilliGpu) -> Self {
        let per_node = (per_node.0 / MilliGpu::ONE.0) as usize;
        Self { per_node, used: vec![0; per_node * nodes as usize], grants: BTreeMap::new() }
    }

    /// How many pods that request so much each the node's devices have room for.
    pub(crate) fn room_for(&self, node: u32, request: MilliGpu) -> u64 {
        let devices = self.devices(node).map(|device| self.used[device]);
        if request == MilliGpu(0) {
            return u64::MAX;
        }
        if request < MilliGpu::ONE {
            return devices.map(|used| u64::from((MilliGpu::ONE.0 - used) / request.0)).sum();
        }
        let free = devices.filter(|&used| used == 0).count() as u64;
        free / u64::from(request.0 / MilliGpu::ONE.0)
    }

    /// Gives a pod its devices: `count` times the request. The node has room for it.
    pub(crate) fn take(&mut self, node: u32, pod: u32, request: MilliGpu, count: u32) {
        for _ in 0..count {
            if request < MilliGpu::ONE {
                self.take_part(node, pod, request.0);
            } else {
                for _ in 0..request.0 / MilliGpu::ONE.0 {
                    self.take_part(node, pod, MilliGpu::ONE.0);
                }
            }
        }
    }

    fn take_part(&mut self, node: u32, pod: u32, part: u32) {
        let roomy =
            self.devices(node).filter(|&d| part > 0 && self.used[d] + part <= MilliGpu::ONE.0);
        // Of equally full devices the first.
        if let Some(device) = roomy.rev().max_by_key(|&device| self.used[device]) {
            self.used[device] += part;
            self.grants.entry(pod).or_default().push((device, part));
        }
    }

    /// Takes back what a pod has.
    pub(crate) fn give_back(&mut self, pod: u32) {
        for (device, part) in self.grants.remove(&pod).unwrap_or_default() {
            self.used[device] -= part;
        }
    }

    fn devices(&self, node: u32) -> std::ops::Range<usize> {
        let first = node as usize * self.per_node;
        first..first + self.per_node
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_share_a_device_and_whole_ones_need_a_free_one() {
        let mut gpus = Gpus::new(2, MilliGpu::whole(2));
        gpus.take(0, 1, MilliGpu(600), 1);
        gpus.take(0, 2, MilliGpu(300), 1);
        // Both on the first device: 0.1 is left of it, and the second is whole.
        assert_eq!(gpus.room_for(0, MilliGpu(100)), 11);
        assert_eq!(gpus.room_for(0, MilliGpu(600)), 1);
        assert_eq!(gpus.room_for(0, MilliGpu::ONE), 1);
        gpus.take(0, 3, MilliGpu::ONE, 1);
        assert_eq!((gpus.room_for(0, MilliGpu::ONE), gpus.room_for(0, MilliGpu(200))), (0, 0));
        gpus.give_back(1);
        assert_eq!(gpus.room_for(0, MilliGpu(700)), 1);
        assert_eq!(gpus.room_for(1, MilliGpu::whole(2)), 1);
    }
}
