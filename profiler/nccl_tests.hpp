// profiler/nccl_tests.hpp
//
// What the programs of nccl-tests (all_reduce_perf, ...) print, read back: any number of runs in one file, in
// the layouts of its versions since 2.0 (with and without the columns redop and root, with `error` or
// `#wrong`), behind the labels that mpirun and srun put before lines, and `orrery profile --communication`'s
// own.
//
// A row's size is the larger of a rank's two buffers, as Orrery counts a collective's bytes. Times are
// out-of-place; in-place ones stand beside them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/collective_samples.hpp"
#include "sim/program.hpp"

namespace orrery::profiler {

struct NcclRow {
    double bytes = 0;
    double time_s = 0;                 ///< out of place
    std::optional<double> in_place_s;  ///< where it was measured
    double bus_bandwidth = 0;          ///< bytes/s, out of place, as printed
    std::optional<double> in_place_bandwidth;
};

/// One table: what one run of one program printed.
struct NcclSweep {
    std::size_t line = 0;                     ///< of its first row
    std::optional<sim::CollectiveKind> kind;  ///< where the program is named or the figures leave one
    int ranks = 0;
    int nodes = 0;
    int gpus_per_process = 1;
    std::string gpu;      ///< as the driver calls it
    std::string version;  ///< what the log says of NCCL's version ("2.21.5+cuda12.4"), or empty
    std::vector<NcclRow> rows;
    int wrong_rows = 0;                    ///< left out: the program found wrong values
    std::optional<double> stated_average;  ///< "Avg bus bandwidth", bytes/s

    /// Mean of the rows' bus bandwidths, out of place and in place, which the stated one should equal.
    [[nodiscard]] double average() const;
};

/// Whether the text looks like such output: a header of its columns.
bool is_nccl_tests(std::string_view text);

/// Throws InputError (file, line, key) where a row has other columns than its header, a figure is no number
/// or out of range, a table has no list of ranks before it, or there is no table.
std::vector<NcclSweep> read_nccl_tests(std::string_view text, const std::string& file);

/// The rows as samples. `kind` is that of sweeps that do not tell theirs; throws InputError where it is
/// missing. The network's name is `network`, or "nvlink" of a single node.
std::vector<CollectiveSample> samples_of(const std::vector<NcclSweep>& sweeps, const std::string& file,
                                         std::optional<sim::CollectiveKind> kind, const std::string& network);

}  // namespace orrery::profiler
