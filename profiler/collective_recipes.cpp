#include "profiler/collective_recipes.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/schema.hpp"

namespace orrery::profiler {
namespace {

struct RecipesFile {
    std::vector<std::string> tables;
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
    static const schema::Table<R> table{"collective fits",
                                        "Which samples make which calibration.",
                                        {Field::list("tables", &R::tables).required(),
                                         Field::list("fits", &R::fits, recipe_table()).required()}};
    return table;
}

std::vector<CollectiveSample> chosen(const std::vector<CollectiveSample>& all,
                                     const CollectiveRecipe& recipe) {
    const auto in = [](const std::vector<std::string>& list, const std::string& name) {
        return std::ranges::find(list, name) != list.end();
    };
    std::vector<CollectiveSample> samples;
    for (const CollectiveSample& sample : all)
        if (in(recipe.gpus, sample.gpu) && in(recipe.networks, sample.network)) samples.push_back(sample);
    return samples;
}

}  // namespace

CollectiveRecipes read_collective_recipes(const std::filesystem::path& path) {
    const auto file = schema::read(recipes_table(), yaml::read(path));
    CollectiveRecipes recipes;
    for (const std::string& table : file.tables) recipes.tables.push_back(path.parent_path() / table);
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

}  // namespace orrery::profiler
