// sim/cost/collective_calibration.hpp
//
// What is measured of a node kind's collectives: an alpha-beta model in the form of NCCL's own tuner (NCCL,
// src/graph/tuning.cc: base latency, latency of a hop by link and protocol, bandwidth share by protocol),
// with the figures fitted to published nccl-tests sweeps (profiler/fit_collectives) and kept, with their
// sources, in calibrations/collectives/<name>.yaml.
//
// Latencies here are what the software adds to the links' own (topologies): a hop inside a node takes
// link_latency + link_step_s, one between nodes network_latency + network_step_s. The ideal calibration (all
// latencies 0, all efficiencies 1) leaves the textbook formulas on the bare links.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "sim/cost/forced_collectives.hpp"

namespace orrery::sim {

/// NCCL's wire protocols: LL sends 4 bytes of flag with 4 of data, LL128 8 with 120, Simple none but waits
/// for memory fences.
enum class Protocol : std::uint8_t { ll, ll128, simple };
inline constexpr std::array kProtocols{Protocol::ll, Protocol::ll128, Protocol::simple};
/// "LL", "LL128", "Simple".
std::string_view to_string(Protocol protocol);
/// Bytes on the wire for one of data, from the layouts above: 2, 128/120, 1. By its name; 1 for an empty one.
double wire_bytes(std::string_view protocol);

/// One algorithm under one protocol.
struct ProtocolCalibration {
    double start_s = 0;         ///< once a collective: from launch to the first byte, and the last fence
    double link_step_s = 0;     ///< added to each hop inside a node
    double network_step_s = 0;  ///< added to each hop between nodes
    double link_share = 1;      ///< of the links' bandwidth after link_efficiency
    double network_share = 1;   ///< of the NICs' bandwidth after network_efficiency
};
using AlgorithmCalibration = std::array<ProtocolCalibration, kProtocols.size()>;

/// Collectives reduced inside NVSwitch (NVLink SHARP), from Hopper on.
struct NvlsCalibration {
    bool available = false;
    double start_s = 0;
    double network_step_s = 0;  ///< nvls-tree only
    double link_share = 1;      ///< of the links' bandwidth after link_efficiency
    double network_share = 1;   ///< of the NICs' bandwidth after network_efficiency
};

/// How well a calibration met its samples: absolute relative errors.
struct CalibrationResidual {
    std::string what;  ///< "all-reduce, 1 node, 1 MiB and more"
    int samples = 0;
    double median_error = 0;
    double p90_error = 0;
    bool held_out = false;  ///< samples that the fit did not see
};

struct CollectiveCalibration {
    std::string name;
    std::vector<std::string> provenance;  ///< where each part comes from, a sentence each

    double link_efficiency = 1;     ///< large messages, Simple: share of the GPU's link bandwidth
    double network_efficiency = 1;  ///< the same of the NICs' bandwidth
    /// Steps' worth of data that each pass of a ring over its ranks costs beside its n - 1 (filling and
    /// draining the pipeline of chunks).
    double ring_fill_steps = 0;
    /// Share of a ring's bandwidth that all-gather and reduce-scatter reach, which pass once (their kernels
    /// copy or reduce, never both).
    double one_pass_share = 1;
    double network_start_s = 0;  ///< once a collective on several nodes: the host threads that drive the NICs
    AlgorithmCalibration ring{};
    AlgorithmCalibration tree{};
    AlgorithmCalibration direct{};  ///< send/recv and exchanges; also of the algorithms that are not NCCL's
    double peer_s = 0;              ///< direct: added for each peer
    NvlsCalibration nvls;

    ForcedCollectives forced{};  ///< of the job, not of the measurements: never written to a file

    double fitted_least_bytes = 0;  ///< range of the samples
    double fitted_most_bytes = 0;
    std::vector<CalibrationResidual> residuals;

    [[nodiscard]] const ProtocolCalibration& of(const AlgorithmCalibration& algorithm,
                                                Protocol protocol) const {
        return algorithm[static_cast<std::size_t>(protocol)];
    }
};

/// No software latency, full bandwidth: the textbook closed forms.
CollectiveCalibration ideal_collectives();

/// By name in calibrations/collectives, by path, or "ideal". Throws InputError (file, line, key, nearest
/// name).
CollectiveCalibration load_collectives(const std::string& name_or_path);

/// Names in calibrations/collectives, sorted, with "ideal".
std::vector<std::string> collective_calibration_names();

/// The file's text, and writing it whole or not at all. Reading it back gives the same figures.
std::string to_yaml(const CollectiveCalibration& calibration);
void save_collectives(const CollectiveCalibration& calibration, const std::filesystem::path& path);

}  // namespace orrery::sim
