#include "profiler/collective_recipes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>
#include <tuple>

#include "core/error.hpp"
#include "core/schema.hpp"

namespace orrery::profiler {
namespace {

struct RecipesFile {
    std::vector<std::string> tables;
    std::vector<std::string> held_out;
    std::vector<CollectiveRecipe> fits;
};

const schema::Table<CollectiveRecipe>& recipe_table() {
    using R = CollectiveRecipe;
    using Field = schema::Field<R>;
    static const schema::Table<R> table{
        "fit",
        "One calibration and its samples.",
        {Field::text("name", &R::name).required(), Field::text("node", &R::node).required(),
         Field::text("prior", &R::prior).describe("tuner, or an earlier calibration."),
         Field::boolean("nvls", &R::nvls).describe("The GPUs reduce inside NVSwitch."),
         Field::list("gpus", &R::gpus).required(), Field::list("networks", &R::networks).required(),
         Field::text("note", &R::note)}};
    return table;
}

const schema::Table<RecipesFile>& recipes_table() {
    using R = RecipesFile;
    using Field = schema::Field<R>;
    static const schema::Table<R> table{
        "collective fits",
        "Which samples make which calibration.",
        {Field::list("tables", &R::tables).required(), Field::list("held_out", &R::held_out),
         Field::list("fits", &R::fits, recipe_table()).required()}};
    return table;
}

bool is_for(const CollectiveRecipe& recipe, const CollectiveSample& sample) {
    const auto in = [](const std::vector<std::string>& list, const std::string& name) {
        return std::ranges::find(list, name) != list.end();
    };
    return in(recipe.gpus, sample.gpu) && in(recipe.networks, sample.network);
}

std::vector<CollectiveSample> chosen(const std::vector<CollectiveSample>& all,
                                     const CollectiveRecipe& recipe) {
    std::vector<CollectiveSample> samples;
    for (const CollectiveSample& sample : all)
        if (is_for(recipe, sample)) samples.push_back(sample);
    return samples;
}

/// "1 to 10 MB".
std::string decade_of(double bytes) {
    const auto decade = static_cast<int>(std::floor(std::log10(bytes)));
    constexpr std::array kUnits{"B", "kB", "MB", "GB", "TB"};
    const auto unit = static_cast<std::size_t>(std::clamp(decade / 3, 0, 4));
    const double least = std::pow(10.0, decade - 3 * static_cast<int>(unit));
    return fmt::format("{} to {} {}", least, 10 * least, kUnits.at(unit));
}

/// How the rows are ordered, and what is one row.
using RowKey = std::tuple<std::string, bool, int, std::string, int, std::string, std::string>;

CollectiveErrorRow row_of(const RowKey& key, std::vector<double> errors) {
    CollectiveErrorRow row;
    std::tie(row.gpu, std::ignore, row.nodes, row.collective, std::ignore, row.size, row.calibration) = key;
    row.samples = static_cast<int>(errors.size());
    row.mean_signed = std::accumulate(errors.begin(), errors.end(), 0.0) / row.samples;
    for (double& error : errors) error = std::abs(error);
    std::sort(errors.begin(), errors.end());
    const std::size_t middle = errors.size() / 2;
    row.median = errors.size() % 2 == 1 ? errors[middle] : (errors[middle - 1] + errors[middle]) / 2;
    row.worst = errors.back();
    return row;
}

}  // namespace

CollectiveRecipes read_collective_recipes(const std::filesystem::path& path) {
    const auto file = schema::read(recipes_table(), yaml::read(path));
    CollectiveRecipes recipes;
    for (const std::string& table : file.tables) recipes.tables.push_back(path.parent_path() / table);
    for (const std::string& table : file.held_out) recipes.held_out.push_back(path.parent_path() / table);
    recipes.fits = file.fits;
    return recipes;
}

std::map<std::string, RecipeFit> run_collective_recipes(const CollectiveRecipes& recipes,
                                                        const std::filesystem::path& folder) {
    std::vector<CollectiveSample> all;
    for (const auto& table : recipes.tables)
        for (CollectiveSample& sample : read_collective_samples(table)) all.push_back(std::move(sample));

    std::map<std::string, RecipeFit> results;
    for (const CollectiveRecipe& recipe : recipes.fits) {
        sim::CollectiveCalibration prior = tuner_prior(recipe.nvls);
        if (const auto sister = results.find(recipe.prior); sister != results.end()) {
            prior = sister->second.calibration;
            prior.provenance = {"prior: the calibration " + recipe.prior};
            prior.residuals.clear();
        } else if (recipe.prior != "tuner") {
            throw InputError({}, "prior",
                             recipe.name + ": '" + recipe.prior + "' is neither tuner nor an earlier fit");
        }
        prior.name = recipe.name;
        const topologies::Cluster cluster = topologies::make_cluster(recipe.node, 1);
        const auto samples = chosen(all, recipe);
        const CollectiveFit fit = fit_collectives(samples, cluster, prior);

        RecipeFit& result = results[recipe.name];
        result.calibration = fit.calibration;
        if (!recipe.note.empty()) result.calibration.provenance.push_back(recipe.note);
        result.held_out = cross_validate(samples, cluster, prior);
        result.calibration.residuals = summarise(fit.errors, false);
        for (auto& row : summarise(result.held_out, true)) result.calibration.residuals.push_back(row);
        sim::save_collectives(result.calibration, folder / (recipe.name + ".yaml"));
    }
    return results;
}

std::vector<CollectiveErrorRow> held_out_errors(const std::vector<CollectiveSample>& samples,
                                                const CollectiveRecipes& recipes) {
    constexpr double kMiB = 1048576;
    std::map<RowKey, std::vector<double>> rows;
    for (const CollectiveSample& sample : samples) {
        const auto recipe = std::ranges::find_if(
            recipes.fits, [&](const CollectiveRecipe& one) { return is_for(one, sample); });
        if (recipe == recipes.fits.end())
            throw InputError({}, "network",
                             fmt::format("no calibration is of {} on {}", sample.gpu, sample.network));
        const double error =
            predict_collectives(std::span(&sample, 1), topologies::make_cluster(recipe->node, 1),
                                sim::load_collectives(recipe->name))
                .front()
                .relative();
        const auto decade = static_cast<int>(std::floor(std::log10(sample.bytes)));
        const bool large = sample.bytes >= kMiB;
        rows[{sample.gpu, false, sample.nodes, std::string(sim::to_string(sample.kind)), decade,
              decade_of(sample.bytes), recipe->name}]
            .push_back(error);
        rows[{sample.gpu, true, 0, "all", large ? 1 : 0, large ? "from 1 MiB" : "below 1 MiB", ""}].push_back(
            error);
    }
    std::vector<CollectiveErrorRow> table;
    for (auto& [key, errors] : rows) table.push_back(row_of(key, std::move(errors)));
    return table;
}

}  // namespace orrery::profiler
