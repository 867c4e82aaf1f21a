// profiler/collective_recipes.hpp
//
// Which samples make which collective calibration: the list in calibrations/data/collective_fits.yaml.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "profiler/fit_collectives.hpp"

namespace orrery::profiler {

struct CollectiveRecipe {
    std::string name;             ///< of the calibration
    std::string node;             ///< whose links the samples were taken on: a name in topologies/zoo
    std::string prior = "tuner";  ///< or the name of an earlier calibration
    bool nvls = false;
    std::vector<std::string> gpus;      ///< samples taken: these in their column gpu, ...
    std::vector<std::string> networks;  ///< ... and these in network
    std::string note;                   ///< a sentence for the provenance
};

struct CollectiveRecipes {
    std::vector<std::filesystem::path> tables;
    std::vector<std::filesystem::path> held_out;  ///< tables that no fit reads
    std::vector<CollectiveRecipe> fits;
};

/// Reads the list; tables are beside it. Throws InputError.
CollectiveRecipes read_collective_recipes(const std::filesystem::path& path);

/// A recipe's calibration, its residuals filled in (fitted and held out), with the held-out errors.
struct RecipeFit {
    sim::CollectiveCalibration calibration;
    std::vector<CollectiveError> held_out;
};

/// Runs the recipes in order, each writing <folder>/<name>.yaml whole or not at all. Returns all of them.
std::map<std::string, RecipeFit> run_collective_recipes(const CollectiveRecipes& recipes,
                                                        const std::filesystem::path& folder);

/// Errors of one sort of samples, absolute ones but for `mean_signed`: fractions of the measured time.
struct CollectiveErrorRow {
    std::string gpu;
    int nodes = 0;
    std::string collective;
    std::string size;         ///< "1 to 10 MB"
    std::string calibration;  ///< the recipe's name
    int samples = 0;
    double median = 0;
    double worst = 0;
    double mean_signed = 0;  ///< above 0: predicted slower than measured
};

/// The samples against the committed calibrations, each by the first recipe for its GPU and network; a row a
/// GPU, node count, collective and decade of bytes, and one for all of a GPU ("all" in `collective`) from
/// 1 MiB up and below. Throws InputError for a sample that no recipe is for.
std::vector<CollectiveErrorRow> held_out_errors(const std::vector<CollectiveSample>& samples,
                                                const CollectiveRecipes& recipes);

}  // namespace orrery::profiler
