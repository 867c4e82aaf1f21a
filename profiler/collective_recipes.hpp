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

}  // namespace orrery::profiler
