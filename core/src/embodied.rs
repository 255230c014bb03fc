//! Emissions of making hardware, in kg CO2e, where no manufacturer says them.
//!
//! Two estimates that don't claim the same: [`Server`] adds up components by the area of their
//! chips, after Boavizta (*Numérique et environnement: comment évaluer l'empreinte de la
//! fabrication d'un serveur*, 2021), whose constants are those of the German Environment Agency's
//! *Green Cloud Computing* (Texte 94/2021).
//! [`CloudServer`] is the rule of Teads and Cloud Carbon Footprint for servers that nobody has
//! seen inside: a commodity server of 1,000 kg, and what it has more (B. Davy, *Building an AWS
//! EC2 carbon emissions dataset*, 2021).

/// Making one GPU, in kg: the assumption of Cloud Carbon Footprint and of Luccioni et al.,
/// *Estimating the carbon footprint of BLOOM*, 2022. No manufacturer had published a number.
pub const GPU_KG: f64 = 150.0;

/// A server by its components.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Server {
    /// CPU packages.
    pub cpus: u32,
    /// Cores of one package.
    pub cores_per_cpu: u32,
    /// Die area per core in cm2; [`Server::DIE_CM2_PER_CORE`] where nobody knows.
    pub die_cm2_per_core: f64,
    /// Memory in GB.
    pub memory_gb: f64,
    /// Modules that hold it.
    pub memory_modules: u32,
    /// Solid-state disks.
    pub ssds: u32,
    /// Size of one of them in GB.
    pub ssd_gb: f64,
    /// Hard disks.
    pub hdds: u32,
    /// GPUs.
    pub gpus: u32,
    /// Making one of them, in kg; [`GPU_KG`] where nobody knows.
    pub gpu_kg: f64,
    /// Power supplies.
    pub power_supplies: u32,
}

impl Server {
    /// Boavizta's default: 24.5 mm2 of die per core.
    pub const DIE_CM2_PER_CORE: f64 = 0.245;

    /// Boavizta's bottom-up estimate of making the whole server.
    #[must_use]
    pub fn kg_co2e(&self) -> f64 {
        // A chip has its cores, and 0.491 cm2 of everything else; 1.97 kg per cm2, 9.14 per package.
        let die = f64::from(self.cores_per_cpu) * self.die_cm2_per_core + 0.491;
        let cpus = f64::from(self.cpus) * (die * 1.97 + 9.14);
        // 1.79 GB per cm2 of memory die (18 nm): with twelve modules of 32 GB that is 1.39 kg/GB, what
        // Dell's life-cycle assessment of the R740 finds. 48.5 GB per cm2 of flash.
        let memory = self.memory_gb / 1.79 * 2.20 + f64::from(self.memory_modules) * 5.22;
        let ssds = f64::from(self.ssds) * (self.ssd_gb / 48.5 * 2.20 + 6.34);
        let hdds = f64::from(self.hdds) * 31.10;
        let gpus = f64::from(self.gpus) * self.gpu_kg;
        // 24.3 kg per kg of power supply, of 2.99 kg each.
        let power_supplies = f64::from(self.power_supplies) * 2.99 * 24.30;
        const MOTHERBOARD: f64 = 66.10;
        const RACK_CASE: f64 = 150.0;
        const ASSEMBLY: f64 = 6.68;
        cpus + memory + ssds + hdds + gpus + power_supplies + MOTHERBOARD + RACK_CASE + ASSEMBLY
    }
}

/// The server behind a cloud instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CloudServer {
    /// Memory in GiB.
    pub memory_gib: f64,
    /// CPU packages.
    pub chips: u32,
    /// GPUs.
    pub gpus: f64,
}

impl CloudServer {
    /// 1,000 kg with one CPU and 16 GB, 533 kg per 384 GB more (the life-cycle assessment of Dell's
    /// R740), 100 kg per further CPU, [`GPU_KG`] per GPU.
    #[must_use]
    pub fn kg_co2e(&self) -> f64 {
        let memory = (self.memory_gib - 16.0).max(0.0) * 533.0 / 384.0;
        let cpus = f64::from(self.chips.saturating_sub(1)) * 100.0;
        1_000.0 + memory + cpus + self.gpus * GPU_KG
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_the_sum_of_its_parts() {
        let server = Server {
            cpus: 2,
            cores_per_cpu: 24,
            die_cm2_per_core: Server::DIE_CM2_PER_CORE,
            memory_gb: 358.0,
            memory_modules: 12,
            ssds: 1,
            ssd_gb: 485.0,
            hdds: 1,
            gpus: 1,
            gpu_kg: GPU_KG,
            power_supplies: 2,
        };
        // CPU: 24 x 0.245 + 0.491 = 6.371 cm2 x 1.97 + 9.14 = 21.69087, two: 43.38174.
        // Memory: 200 cm2 x 2.20 + 12 x 5.22 = 502.64. SSD: 10 cm2 x 2.20 + 6.34 = 28.34. HDD 31.10.
        // GPU 150. Power supplies: 2 x 2.99 x 24.3 = 145.314. Board, case, assembly: 222.78.
        let expected = 43.38174 + 502.64 + 28.34 + 31.10 + 150.0 + 145.314 + 222.78;
        assert!((server.kg_co2e() - expected).abs() < 1e-9, "{}", server.kg_co2e());
    }

    #[test]
    fn a_cloud_server_has_what_the_published_table_says() {
        // Cloud Carbon Footprint's e2-standard-2: 128 GB and two CPUs, 1,255.46 kg.
        let server = CloudServer { memory_gib: 128.0, chips: 2, gpus: 0.0 };
        assert!((server.kg_co2e() - 1_255.458_333).abs() < 1e-3);
        let small = CloudServer { memory_gib: 8.0, chips: 1, gpus: 0.0 };
        assert!((small.kg_co2e() - 1_000.0).abs() < 1e-9);
    }
}
