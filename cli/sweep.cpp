// orrery sweep STUDY: a what-if grid, on all cores, or on all processes of an MPI job.
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "cli/shell_word.hpp"
#include "cli/sweep.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "report/html/pages.hpp"
#include "report/json.hpp"
#include "report/progress.hpp"
#include "study/sweep/study_report.hpp"
#include "study/sweep/summary.hpp"
#include "study/sweep/sweep.hpp"

namespace orrery::cli {
namespace {

constexpr std::size_t kShownByDefault = 10;

struct Options {
    SweepRequest request;
    bool json = false;
};

/// Of a process of a job, "study.rank3.sqlite"; of the first, or without a job, what becomes the result.
std::filesystem::path file_of(const std::filesystem::path& folder, int rank) {
    return folder / (rank == 0 ? std::string("study.sqlite") : fmt::format("study.rank{}.sqlite", rank));
}

/// Takes over what the processes of a job, this one or one that was ended, left in files of their own.
void gather(study::Store& store, const study::Study& study, const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("study.rank") && name.ends_with(".sqlite")) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const std::filesystem::path& file : files) {
        store.absorb(file, study, ORRERY_VERSION);
        for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + end);
    }
}

/// Runs this process's part. The first process has the whole result when it returns.
void run(const SweepRequest& options, const study::Study& study, const std::filesystem::path& folder,
         std::optional<study::Store>& store, study::Team& team) {
    const std::filesystem::path file = file_of(folder, team.rank());
    team.decide([&] {
        if (std::filesystem::exists(file) && !options.resume) {
            throw InputError({file.string()}, "",
                             "is there already; go on with it by --resume, or remove it");
        }
        store.emplace(file, study, ORRERY_VERSION);
        gather(*store, study, folder);
        return std::string();
    });
    if (!team.first()) store.emplace(file, study, ORRERY_VERSION);
    report::Progress progress("points", study.space.size());
    study::SweepOptions how;
    how.prune_to = options.best;
    how.advance = [&](std::uint64_t points) {
        progress.advance(points);
        if (options.advance) options.advance(points);
    };
    study::sweep(study, *store, how, team);
    if (!team.first()) store.reset();
    team.map(0, nullptr, nullptr);  // every process is here: its file is closed
    if (!team.first()) return;
    gather(*store, study, folder);
    const std::vector<bool> done = store->done(study.space.size());
    if (const auto missing = std::count(done.begin(), done.end(), false); missing > 0) {
        throw ExperimentError(fmt::format(
            "{}: {} points that other processes ran are not there; every process must see the same "
            "--out folder",
            folder.string(), missing));
    }
}

/// What a reader types to see a point again, up to its number. A point lies over --set, which there lies over
/// the point: keys that are varied are left out.
std::string rerun_command(const SweepRequest& options, const study::Study& study) {
    std::string command = "orrery run " + shell_word(options.study);
    const std::vector<std::string> varied = study.space.keys();
    for (const std::string& set : options.set) {
        const std::string key = set.substr(0, set.find('='));
        const bool lost = std::find(varied.begin(), varied.end(), key) != varied.end();
        if (!lost) command += " --set " + shell_word(set);
    }
    return command + " --point";
}

void write_reports(const SweepRequest& options, const study::Study& study, study::Store& store,
                   const SweepOutcome& outcome) {
    write_file_atomically(outcome.folder / "points.csv", store.csv());
    const std::string rerun = options.study.empty() ? "" : rerun_command(options, study);
    const report::StudyReport page =
        study::report_study(study, store, outcome.summary, {options.charts, rerun});
    write_file_atomically(outcome.folder / "report.html", report::study_page(page));
    write_file_atomically(outcome.folder / "study.json", report::to_text(report::to_json(outcome.summary)));
}

int sweep(const Options& options) {
    const study::Study study = study::load_study(options.request.study, options.request.set);
    SweepOutcome outcome;
    try {
        outcome = run_sweep(options.request, study);
    } catch (const study::ElsewhereError&) {
        return kCannotRun;
    }
    if (!outcome.first) return kDone;
    const std::filesystem::path& folder = outcome.folder;
    if (options.json) {
        print_json(report::to_json(outcome.summary));
    } else {
        fmt::print("{}\n  {}\n  {}\n  report: {}\n", report::study_table(outcome.summary),
                   results_file(folder).string(), (folder / "points.csv").string(),
                   (folder / "report.html").string());
    }
    return outcome.summary.best.empty() ? kCannotRun : kDone;
}

}  // namespace

SweepOutcome run_sweep(const SweepRequest& request, const study::Study& study) {
    SweepOutcome outcome;
    outcome.folder =
        request.out.empty() ? std::filesystem::path("out") / study.name : std::filesystem::path(request.out);
    const std::unique_ptr<study::Team> team =
        request.alone ? study::make_lone_team(request.jobs) : study::make_team(request.jobs);
    outcome.first = team->first();
    std::optional<study::Store> result;
    try {
        run(request, study, outcome.folder, result, *team);
    } catch (const std::exception& error) {
        if (team->first()) throw;
        fmt::print(stderr, "orrery: error: process {} of the job: {}\n", team->rank(), error.what());
        team->abandon();
    }
    if (!team->first()) return outcome;
    const std::size_t most = request.best > 0 ? request.best : kShownByDefault;
    outcome.summary = study::summarize_study(study, *result, most);
    if (request.reports) write_reports(request, study, *result, outcome);
    return outcome;
}

std::filesystem::path results_file(const std::filesystem::path& folder) {
    return file_of(folder, 0);
}

Command add_sweep(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "sweep",
        "Simulate every point of a what-if study, on all cores; under mpirun or srun, on all processes");
    command->add_option("study", options->request.study, "Study: a YAML file, or a name in configs/studies")
        ->type_name("STUDY")
        ->required();
    command
        ->add_option("--set", options->request.set,
                     "Change a key of the study's experiment: parallel.tp=4 (repeatable)")
        ->type_name("KEY=VALUE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command
        ->add_option("--out", options->request.out,
                     "Folder for the results (default: out/ and the study's name)")
        ->type_name("DIR");
    command
        ->add_option("--jobs", options->request.jobs,
                     "Threads (default: all cores; of a process of a job: its share)")
        ->check(CLI::Range(0, 4096));
    command
        ->add_option("--best", options->request.best,
                     "Only the best N are asked for: points whose bound is worse are counted, not simulated")
        ->type_name("N")
        ->check(CLI::Range(1, 1'000'000));
    command
        ->add_option("--charts", options->request.charts,
                     "So many Gantt charts of the best points in report.html (default: 5)")
        ->type_name("N")
        ->check(CLI::Range(0, 50));
    command->add_flag("--resume", options->request.resume, "Go on with the results in the folder");
    command->add_flag("--json", options->json, "Print one JSON object");
    return {command, [options] { return sweep(*options); }};
}

}  // namespace orrery::cli
