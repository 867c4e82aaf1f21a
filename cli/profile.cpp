// orrery profile [--device cpu|N] [--out FILE]: microbenchmarks on this machine, one sample a line.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "profiler/communication/collective_sweep.hpp"
#include "profiler/profile/profile.hpp"
#include "report/progress.hpp"
#include "report/units.hpp"

namespace orrery::cli {
namespace {

constexpr double kQuickBudget = 105;  // with start and end, two minutes

struct Options {
    std::string device = "0";
    std::string out;
    bool quick = false;
    double budget_s = 0;
    double most_flops = 0;
    std::vector<std::string> only;
    std::vector<std::string> precisions;
    std::string communication;
    std::size_t most_bytes = 0;
    bool list = false;
    bool json = false;
    std::string command;
};

std::unique_ptr<profiler::Backend> backend_of(const std::string& device) {
    if (device == "cpu") return profiler::make_cpu_backend();
    int number = 0;
    const auto [end, error] = std::from_chars(device.data(), device.data() + device.size(), number);
    if (error != std::errc{} || end != device.data() + device.size() || number < 0) {
        throw InputError({}, "--device",
                         fmt::format("expected 'cpu' or the number of a GPU, found '{}'", device));
    }
    return profiler::make_cuda_backend(number);
}

std::vector<Precision> precisions_of(const Options& options, const profiler::DeviceInfo& device) {
    if (options.precisions.empty()) return device.precisions;
    std::vector<std::string> known;
    for (const Precision each : device.precisions) known.emplace_back(to_string(each));
    std::vector<Precision> out;
    for (const std::string& name : options.precisions) {
        const auto found = std::find(known.begin(), known.end(), name);
        if (found == known.end()) throw InputError({}, "--precision", unknown_name("precision", name, known));
        out.push_back(device.precisions[static_cast<std::size_t>(found - known.begin())]);
    }
    return out;
}

profiler::DesignOptions design_options(const Options& options, const profiler::DeviceInfo& device) {
    profiler::DesignOptions out;
    out.quick = options.quick;
    out.precisions = precisions_of(options, device);
    out.most_flops = options.most_flops > 0 ? options.most_flops : device.most_flops;
    out.most_bytes = options.most_bytes > 0 ? static_cast<double>(options.most_bytes) : device.most_bytes;
    out.cache_bytes = device.cache_bytes;
    out.memory_bytes = device.memory_bytes;
    out.only = options.only;
    return out;
}

profiler::ProfileOptions profile_options(const Options& options) {
    profiler::ProfileOptions out;
    out.budget_s = options.budget_s > 0 ? options.budget_s : options.quick ? kQuickBudget : 0;
    if (options.quick) {
        out.measure.stop = {.relative_error = 0.01, .least = 5, .most = 100, .seconds = 0.25};
        out.measure.warm_up_s = 0.003;
    }
    out.command = options.command;
    return out;
}

int list_points(const std::vector<profiler::DesignPoint>& points) {
    for (const profiler::DesignPoint& point : points) {
        fmt::print("{}{}\n", profiler::describe(point.kernel_case),
                   point.cache == profiler::CacheState::hot ? " hot" : "");
    }
    return kDone;
}

void print_summary(const Options& options, const profiler::DeviceInfo& device,
                   const profiler::ProfileSummary& summary) {
    fmt::print("{}: {} kernels measured", device.name, summary.measured);
    if (summary.already_there > 0) fmt::print(", {} already in the file", summary.already_there);
    if (summary.unsupported > 0) fmt::print(", {} that it cannot run", summary.unsupported);
    if (!summary.failed.empty()) fmt::print(", {} failed", summary.failed.size());
    fmt::print("\n");
    if (summary.left > 0) {
        fmt::print("{} left when the time was up: the same command again goes on from here\n", summary.left);
    }
    fmt::print("Samples: {}\n", options.out);
}

void print_object(const Options& options, const profiler::DeviceInfo& device,
                  const profiler::ProfileSummary& summary) {
    print_json({{"device", device.name},
                {"backend", device.backend},
                {"driver", device.driver},
                {"out", options.out},
                {"measured", summary.measured},
                {"already_there", summary.already_there},
                {"unsupported", summary.unsupported},
                {"left", summary.left},
                {"failed", summary.failed}});
}

/// MPI or NCCL; the text appears as a whole when the sweep ends, and on standard error as it grows.
int profile_communication(const Options& options) {
    if (options.out.empty()) throw InputError({}, "--out", "expected the file to write the sweep to");
    if (options.communication != "mpi" && options.communication != "nccl") {
        const std::vector<std::string> known{"mpi", "nccl"};
        throw InputError({}, "--communication", unknown_name("library", options.communication, known));
    }
    const auto runner =
        options.communication == "mpi" ? profiler::make_mpi_runner() : profiler::make_nccl_runner();
    profiler::SweepOptions sweep;
    if (options.quick) {
        sweep.most_bytes = std::size_t{64} << 20;
        sweep.iterations = 10;
        sweep.most_seconds_a_row = 0.2;
    }
    if (options.communication == "mpi") sweep.most_bytes = std::min(sweep.most_bytes, std::size_t{1} << 30);
    if (options.most_bytes > 0) sweep.most_bytes = options.most_bytes;
    std::string text;
    profiler::sweep_collectives(*runner, sweep, [&text](const std::string& more) {
        text += more;
        spdlog::debug("{}", more);
    });
    if (!runner->first()) return kDone;
    write_file_atomically(options.out, text);
    if (options.json) {
        print_json({{"library", runner->library()}, {"ranks", runner->ranks()}, {"out", options.out}});
    } else {
        fmt::print("{}, {} ranks: {}\n", runner->library(), runner->ranks(), options.out);
    }
    return kDone;
}

int profile(const Options& options) {
    if (!options.communication.empty()) return profile_communication(options);
    const auto backend = backend_of(options.device);
    const profiler::DeviceInfo& device = backend->info();
    const auto points = profiler::design(design_options(options, device));
    if (points.empty()) throw InputError({}, "--only", "leaves no kernel to measure on this device");
    if (options.list) return list_points(points);
    if (options.out.empty()) throw InputError({}, "--out", "expected the file to append samples to");
    profiler::SampleFile file(options.out);
    profiler::ProfileSummary summary;
    {
        report::Progress bar("kernels", points.size());
        summary =
            profiler::profile(*backend, points, file, profile_options(options), [&bar](std::size_t done) {
                bar.advance();
                if (done % 100 == 0) spdlog::debug("{} kernels done", done);
            });
    }
    for (const std::string& failure : summary.failed) spdlog::warn("not measured: {}", failure);
    if (options.json) {
        print_object(options, device, summary);
    } else {
        print_summary(options, device, summary);
    }
    return summary.measured + summary.already_there > 0 ? kDone : kCannotRun;
}

/// "orrery profile --device cpu --quick --out f": what the records say.
std::string command_line(const Options& options) {
    std::string out = "orrery profile --device " + options.device;
    if (options.quick) out += " --quick";
    if (options.budget_s > 0) out += fmt::format(" --budget {}", options.budget_s);
    if (options.most_flops > 0) out += fmt::format(" --most-flops {}", options.most_flops);
    if (options.most_bytes > 0) out += fmt::format(" --most-bytes {}", options.most_bytes);
    for (const std::string& name : options.only) out += " --only " + name;
    for (const std::string& name : options.precisions) out += " --precision " + name;
    return out + " --out " + options.out;
}

}  // namespace

Command add_profile(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("profile", "Measure kernels on this machine");
    command->add_option("--device", options->device, "'cpu', or the number of a GPU")
        ->type_name("DEVICE")
        ->capture_default_str();
    command
        ->add_option("--out", options->out,
                     "Append samples here, one JSON object a line; resumes what is there")
        ->type_name("FILE");
    command->add_flag("--quick", options->quick, "A thin design, done within two minutes");
    command->add_option("--budget", options->budget_s, "Begin no kernel after so many seconds")
        ->type_name("S")
        ->check(CLI::PositiveNumber);
    command->add_option("--only", options->only, "Only this operation; may be repeated")->type_name("NAME");
    command->add_option("--precision", options->precisions, "Only this precision; may be repeated")
        ->type_name("NAME");
    command->add_option("--most-flops", options->most_flops, "Leave out products with more arithmetic")
        ->type_name("FLOP")
        ->check(CLI::PositiveNumber);
    command
        ->add_option(
            "--communication", options->communication,
            "Measure collectives instead, in the layout of nccl-tests: 'mpi' under mpirun, or 'nccl'")
        ->type_name("LIBRARY");
    command
        ->add_option("--most-bytes", options->most_bytes,
                     "Largest message of --communication; elsewhere leave out kernels with more operands")
        ->type_name("BYTES")
        ->check(CLI::PositiveNumber);
    command->add_flag("--list", options->list, "Print the kernels of the design and measure nothing");
    command->add_flag("--json", options->json, "Print one JSON object");
    return {command, [options] {
                options->command = command_line(*options);
                return profile(*options);
            }};
}

}  // namespace orrery::cli
