#include "core/schema.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace orrery {
namespace {

enum class Colour { red, green };

struct Part {
    std::string name;
    double weight_kg = 1;
};

struct Machine {
    std::int64_t wheels = 4;
    int gears = 0;
    double ratio = 0.5;
    bool loud = false;
    std::string owner;
    Colour colour = Colour::red;
    std::optional<int> doors;
    Part engine;
    std::vector<Part> parts;
    std::vector<double> sizes;
    std::map<std::string, double> prices;
    std::map<std::string, Part> spares;
};

const schema::Table<Part>& part_table() {
    using Field = schema::Field<Part>;
    static const schema::Table<Part> table{
        "part",
        "A part.",
        {Field::text("name", &Part::name).required().describe("Its name."),
         Field::number("weight_kg", &Part::weight_kg).above(0).unit("kg").describe("Its weight.")},
        "name"};
    return table;
}

const schema::Table<Machine>& machine_table() {
    using Field = schema::Field<Machine>;
    static const schema::Table<Machine> table{
        "machine",
        "A machine.",
        {Field::integer("wheels", &Machine::wheels)
             .at_least(1)
             .at_most(8)
             .required()
             .describe("How many wheels."),
         Field::integer("gears", &Machine::gears),
         Field::number("ratio", &Machine::ratio).at_least(0).below(1), Field::boolean("loud", &Machine::loud),
         Field::text("owner", &Machine::owner),
         Field::choice("colour", &Machine::colour, {{"red", Colour::red}, {"green", Colour::green}}),
         Field::integer("doors", &Machine::doors).at_least(0),
         Field::table("engine", &Machine::engine, part_table()),
         Field::list("parts", &Machine::parts, part_table()), Field::list("sizes", &Machine::sizes).above(0),
         Field::map("prices", &Machine::prices), Field::map("spares", &Machine::spares, part_table())}};
    return table;
}

Machine read(std::string_view text) {
    return schema::read(machine_table(), yaml::parse(text, "m.yaml"));
}

std::string error_of(std::string_view text) {
    try {
        read(text);
    } catch (const InputError& error) {
        return error.what();
    }
    return "no error";
}

TEST(Schema, ReadsEveryKindOfField) {
    const Machine machine = read(
        "wheels: 6\ngears: 5\nratio: .25\nloud: true\nowner: '12'\ncolour: green\ndoors: 3\nengine: {name: "
        "v8}\n"
        "parts:\n  - {name: bolt, weight_kg: 1e-2}\n  - nut\nsizes: [1, 2.5]\nprices: {bolt: 3}\n"
        "spares: {left: {name: mirror}}\n");
    EXPECT_EQ(machine.wheels, 6);
    EXPECT_EQ(machine.gears, 5);
    EXPECT_EQ(machine.ratio, 0.25);
    EXPECT_TRUE(machine.loud);
    EXPECT_EQ(machine.owner, "12");
    EXPECT_EQ(machine.colour, Colour::green);
    EXPECT_EQ(machine.doors, 3);
    EXPECT_EQ(machine.engine.name, "v8");
    ASSERT_EQ(machine.parts.size(), 2U);
    EXPECT_EQ(machine.parts[0].weight_kg, 0.01);
    EXPECT_EQ(machine.parts[1].name, "nut");
    EXPECT_EQ(machine.sizes, (std::vector<double>{1, 2.5}));
    EXPECT_EQ(machine.prices.at("bolt"), 3);
    EXPECT_EQ(machine.spares.at("left").name, "mirror");
}

TEST(Schema, KeepsDefaultsOfAbsentKeys) {
    const Machine machine = read("wheels: 2");
    EXPECT_EQ(machine.ratio, 0.5);
    EXPECT_FALSE(machine.doors.has_value());
}

TEST(Schema, NamesEachMistakeWithItsPlace) {
    EXPECT_EQ(error_of("wheels: 9"), "m.yaml:1:9: wheels: expected an integer from 1 to 8, got '9'");
    EXPECT_EQ(error_of("wheels: four"), "m.yaml:1:9: wheels: expected an integer from 1 to 8, got 'four'");
    EXPECT_EQ(error_of("wheels: '4'"), "m.yaml:1:9: wheels: expected an integer from 1 to 8, got '4'");
    EXPECT_EQ(error_of("wheels: 4.0"), "m.yaml:1:9: wheels: expected an integer from 1 to 8, got '4.0'");
    EXPECT_EQ(error_of("wheels: 99999999999999999999"),
              "m.yaml:1:9: wheels: expected an integer from 1 to 8, got '99999999999999999999'");
    EXPECT_EQ(error_of("loud: true"), "m.yaml:1:1: wheels: is missing; expected an integer from 1 to 8");
    EXPECT_EQ(error_of("wheels: 4\nloud: maybe"), "m.yaml:2:7: loud: expected true or false, got 'maybe'");
    EXPECT_EQ(error_of("wheels: 4\nratio: 1"), "m.yaml:2:8: ratio: expected a number >= 0 and < 1, got '1'");
    EXPECT_EQ(error_of("wheels: 4\nratio: nan"),
              "m.yaml:2:8: ratio: expected a number >= 0 and < 1, got 'nan'");
    EXPECT_EQ(error_of("wheels: 4\nowner: [a]"), "m.yaml:2:8: owner: expected a text, got a list");
    EXPECT_EQ(error_of("wheels: 4\ncolour: gren"),
              "m.yaml:2:9: colour: unknown colour 'gren'; did you mean 'green'? (allowed: red, green)");
    EXPECT_EQ(error_of("wheels: 4\nengine: {name: a, weight_kg: 0}"),
              "m.yaml:2:30: engine.weight_kg: expected a number > 0 (kg), got '0'");
    EXPECT_EQ(error_of("wheels: 4\nengine: {weight_kg: 1}"),
              "m.yaml:2:9: engine.name: is missing; expected a text");
    EXPECT_EQ(
        error_of("wheels: 4\nparts: [{name: a}, {nam: b, name: c}]"),
        "m.yaml:2:21: parts[1].nam: unknown key 'nam'; did you mean 'name'? (allowed: name, weight_kg)");
    EXPECT_EQ(error_of("wheels: 4\nparts: 3"), "m.yaml:2:8: parts: expected a list, got '3'");
    EXPECT_EQ(error_of("wheels: 4\nsizes: [1, -1]"),
              "m.yaml:2:12: sizes[1]: expected a number > 0, got '-1'");
    EXPECT_EQ(error_of("wheels: 4\nprices: {a: b}"), "m.yaml:2:13: prices.a: expected a number, got 'b'");
    EXPECT_EQ(error_of("- 4"), "m.yaml:1:1: expected a map, got a list");
    EXPECT_EQ(error_of(""), "m.yaml:1:1: wheels: is missing; expected an integer from 1 to 8");
}

TEST(Schema, ListsAllMistakesOfAFile) {
    EXPECT_EQ(error_of("wheels: 4\nloud: 1\nratio: 2"),
              "m.yaml:2:7: loud: expected true or false, got '1'\n"
              "  also m.yaml:3:8: ratio: expected a number >= 0 and < 1, got '2'");
}

TEST(Schema, PrintsItselfAsJsonSchema) {
    const auto json = nlohmann::json::parse(schema::json_schema_text(machine_table().shape(), "Machine"));
    EXPECT_EQ(json["title"], "Machine");
    EXPECT_EQ(json["required"], nlohmann::json::array({"wheels"}));
    EXPECT_EQ(json["additionalProperties"], false);
    EXPECT_EQ(json["properties"]["wheels"]["minimum"], 1);
    EXPECT_EQ(json["properties"]["wheels"]["maximum"], 8);
    EXPECT_EQ(json["properties"]["ratio"]["exclusiveMaximum"], 1);
    EXPECT_EQ(json["properties"]["ratio"]["default"], 0.5);
    EXPECT_EQ(json["properties"]["colour"]["enum"], nlohmann::json::array({"red", "green"}));
    EXPECT_EQ(json["properties"]["colour"]["default"], "red");
    EXPECT_EQ(json["properties"]["parts"]["items"]["anyOf"][1]["required"], nlohmann::json::array({"name"}));
}

}  // namespace
}  // namespace orrery
