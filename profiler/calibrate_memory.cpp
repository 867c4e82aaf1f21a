// Memory-bound kernels of each GPU.
#include "profiler/calibrate_parts.hpp"

#include "profiler/fit_memory.hpp"

namespace orrery::profiler {
namespace {

constexpr const char* kSister = "as elementwise on this GPU: no samples of its own";

/// Both cards' samples as one set: the PCIe card's bytes scaled to the SXM card's bandwidth.
std::vector<Sample> a100_elementwise(const Tables& tables) {
    const double scale = device_named(tables, "a100-sxm-80g").memory_bandwidth /
                         device_named(tables, "a100-pcie-80g").memory_bandwidth;
    std::vector<Sample> out = memory_samples(table_named(tables, "memory"), "a100-sxm");
    for (Sample sample : memory_samples(table_named(tables, "memory"), "a100-pcie")) {
        sample.kernel.bytes *= scale;
        out.push_back(sample);
    }
    return out;
}

}  // namespace

std::array<sim::MemoryModel, sim::kMemoryFamilies> calibrate_memory(const std::string& gpu,
                                                                    const Tables& tables) {
    using enum MemoryFamily;
    const Table& table = table_named(tables, "memory");
    const auto fit = [&](const std::string& sampled, const std::string& device, MemoryFamily family,
                         const sim::MemoryModel& prior) {
        return fit_memory(memory_samples(table, sampled), family, prior,
                          device_named(tables, device).memory_bandwidth);
    };
    std::array<sim::MemoryModel, sim::kMemoryFamilies> out;
    const auto at = [&out](MemoryFamily family) -> sim::MemoryModel& {
        return out[static_cast<std::size_t>(family)];
    };
    sim::MemoryModel prior;
    prior.fixed_s = 2.5e-6;
    prior.bandwidth = 0.85;

    const std::string lc = "PrincetonUniversity/LLMCompass@b95c6c9 (A100 SXM4), ";
    at(elementwise) = fit_memory(a100_elementwise(tables), elementwise, prior,
                                 device_named(tables, "a100-sxm-80g").memory_bandwidth);
    at(normalization) = fit("a100-sxm", "a100-sxm-80g", normalization, prior);
    at(softmax) = fit("a100-sxm", "a100-sxm-80g", softmax, prior);
    sim::MemoryModel slow = prior;
    slow.bandwidth = 0.2;
    at(gather) = fit("a100-pcie", "a100-pcie-80g", gather, slow);
    at(elementwise).provenance = {"published", lc + "gelu; " + kVidur + "/a100, residual add (memory.csv)"};
    at(normalization).provenance = {"published", lc + "layer norm (memory.csv)"};
    at(softmax).provenance = {"published", lc + "softmax (memory.csv)"};
    at(gather).provenance = {"published", std::string(kVidur) + "/a100, embedding (memory.csv)"};
    if (is_hopper(gpu)) {
        at(elementwise) = fit("h100-sxm", "h100-sxm-80g", elementwise, at(elementwise));
        at(gather) = fit("h100-sxm", "h100-sxm-80g", gather, at(gather));
        at(elementwise).provenance = {"published",
                                      std::string(kVidur) + "/h100, residual add and gelu (memory.csv)"};
        at(gather).provenance = {"published", std::string(kVidur) + "/h100, embedding (memory.csv)"};
    }
    at(optimizer) = at(elementwise);
    at(fill) = at(elementwise);
    at(optimizer).provenance = at(fill).provenance = {"derived", kSister};
    const bool own = gpu == "a100-sxm-80g" || gpu == "a100-pcie-80g" || gpu == "h100-sxm-80g";
    for (const MemoryFamily family : {elementwise, normalization, softmax, gather}) {
        const bool hopper_own = is_hopper(gpu) && (family == elementwise || family == gather);
        if (own && (!is_hopper(gpu) || hopper_own)) continue;
        at(family).provenance.kind = "derived";
        at(family).provenance.source =
            "same fraction of peak as measured elsewhere: " + at(family).provenance.source;
    }
    return out;
}

}  // namespace orrery::profiler
