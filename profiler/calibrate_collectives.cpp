#include "profiler/calibrate_collectives.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace orrery::profiler {
namespace {

constexpr std::size_t kMostBytes = std::size_t{256} << 20;

/// The samples of all logs, and what is to be said of them.
class Logs {
  public:
    explicit Logs(const CollectiveLogs& l) : logs(l), cluster(topologies::make_cluster(l.node, 1)) {
        for (const auto& path : logs.paths) add(path);
    }

    const CollectiveLogs& logs;
    topologies::Cluster cluster;
    std::vector<CollectiveSample> samples;
    std::vector<std::string> provenance;
    std::vector<std::string> warnings;
    bool between_nodes = false;

  private:
    void add(const std::filesystem::path& path) {
        const std::string file = path.string();
        // What the fit groups by is a source's first word.
        std::string source = path.filename().string();
        std::ranges::replace(source, ' ', '_');
        for (const NcclSweep& sweep : read_nccl_tests(read_file(path, kMostBytes), file)) {
            check(sweep, file);
            std::vector<CollectiveSample> some =
                samples_of({sweep}, file, logs.kind, fmt::format("of {}", cluster.node.name));
            if (some.empty()) continue;
            between_nodes = between_nodes || sweep.nodes > 1;
            provenance.push_back(sentence(sweep, some, source));
            for (CollectiveSample& sample : some) {
                sample.source = source;
                samples.push_back(std::move(sample));
            }
        }
    }

    void check(const NcclSweep& sweep, const std::string& file) {
        const int per_node = sweep.nodes > 0 ? (sweep.ranks + sweep.nodes - 1) / sweep.nodes : sweep.ranks;
        if (per_node > cluster.node.gpus)
            throw InputError(
                {file, sweep.line, 0}, "Rank",
                fmt::format("{} GPUs on a node; {} has {}", per_node, cluster.node.name, cluster.node.gpus));
        if (sweep.wrong_rows > 0)
            warnings.push_back(fmt::format("{}:{}: {} rows left out, for nccl-tests found wrong values", file,
                                           sweep.line, sweep.wrong_rows));
        constexpr double kRounding = 0.02;
        const bool agrees = !sweep.stated_average || sweep.wrong_rows > 0 ||
                            std::abs(sweep.average() / *sweep.stated_average - 1) < kRounding;
        if (!agrees)
            warnings.push_back(
                fmt::format("{}:{}: the rows' mean bus bandwidth is {:.4g} GB/s, the log says "
                            "{:.4g}: it may lack rows",
                            file, sweep.line, sweep.average() * 1e-9, *sweep.stated_average * 1e-9));
    }

    /// "measured: 24 rows of all-reduce on 2 nodes of 8 x NVIDIA H100 80GB HBM3, NCCL 2.21.5, log.txt"
    static std::string sentence(const NcclSweep& sweep, const std::vector<CollectiveSample>& some,
                                const std::string& source) {
        return fmt::format("measured: {} rows of {} on {} node{} of {} x {}{}, {}", some.size(),
                           sim::to_string(some.front().kind), sweep.nodes, sweep.nodes == 1 ? "" : "s",
                           sweep.ranks / sweep.nodes, sweep.gpu.empty() ? "GPUs" : sweep.gpu,
                           sweep.version.empty() ? "" : ", NCCL " + sweep.version, source);
    }
};

sim::CollectiveCalibration prior_of(const CollectiveLogs& logs, const topologies::Cluster& cluster) {
    std::string base = logs.base.empty() ? cluster.node.collectives : logs.base;
    // No measured prior: the tuner's figures. Nothing can be fitted from the ideal one's zero latencies.
    if (base == "ideal" || base == "tuner") {
        const bool nvls = sim::load_collectives(cluster.node.collectives).nvls.available;
        return tuner_prior(nvls);
    }
    sim::CollectiveCalibration prior = sim::load_collectives(base);
    prior.provenance = {"prior: the calibration " + prior.name};
    return prior;
}

}  // namespace

CollectivesFit calibrate_collectives(const CollectiveLogs& request) {
    const Logs logs(request);
    if (logs.samples.empty())
        throw InputError({request.paths.empty() ? "" : request.paths.front().string()}, "size",
                         "no row is left to fit");
    sim::CollectiveCalibration prior = prior_of(request, logs.cluster);
    prior.name = request.name;
    prior.residuals.clear();

    CollectivesFit result;
    const CollectiveFit fit = fit_collectives(logs.samples, logs.cluster, prior);
    result.calibration = fit.calibration;
    result.samples = static_cast<int>(fit.errors.size());
    result.warnings = logs.warnings;

    std::vector<std::string>& provenance = result.calibration.provenance;
    provenance = prior.provenance;
    provenance.insert(provenance.end(), logs.provenance.begin(), logs.provenance.end());
    for (const std::string& sentence : fit.calibration.provenance)
        if (sentence.starts_with("launches")) provenance.push_back(sentence);
    if (!logs.between_nodes)
        provenance.emplace_back("nothing was measured between nodes: those figures are the prior's");
    provenance.insert(provenance.end(), request.notes.begin(), request.notes.end());

    result.calibration.residuals = summarise(fit.errors, false, true);
    for (auto& row : summarise(cross_validate(logs.samples, logs.cluster, prior), true, true))
        result.calibration.residuals.push_back(std::move(row));
    return result;
}

}  // namespace orrery::profiler
