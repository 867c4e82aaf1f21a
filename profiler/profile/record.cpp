#include "profiler/profile/record.hpp"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/atomic_file.hpp"
#include "core/nearest_name.hpp"
#include "sim/cost/attention_cost.hpp"

namespace orrery::profiler {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostBytes = std::size_t{256} << 20;
constexpr std::int64_t kMostExtent = std::int64_t{1} << 44;

const std::vector<Precision> kPrecisions{Precision::fp32, Precision::tf32, Precision::fp16, Precision::bf16,
                                         Precision::fp8};
const std::vector<GemmLayout> kLayouts{GemmLayout::tn, GemmLayout::nn, GemmLayout::nt};

Json shape_of(const KernelCase& c) {
    const Kernel& k = c.kernel;
    switch (c.operation) {
        case Operation::gemm:
        case Operation::grouped_gemm:
            return {{"batch", k.batch},
                    {"m", k.m},
                    {"n", k.n},
                    {"k", k.k},
                    {"layout", to_string(k.layout)},
                    {"accumulate", k.accumulate},
                    {"output", orrery::to_string(k.output)}};
        case Operation::attention:
            return {{"batch", k.batch},       {"seq", k.m},      {"keys", k.n},       {"heads", k.heads},
                    {"kv_heads", k.kv_heads}, {"head_dim", k.k}, {"causal", k.causal}};
        default:
            break;
    }
    if (info_of(c.operation).family) return {{"rows", c.rows}, {"width", c.width}};
    return {{"amount", c.rows}};
}

Json conditions_of(const Conditions& conditions) {
    Json out = Json::object();
    const auto put = [&out](const char* key, const std::optional<double>& value) {
        if (value) out[key] = *value;
    };
    put("clock_mhz", conditions.clock_mhz);
    put("memory_clock_mhz", conditions.memory_clock_mhz);
    put("temperature_c", conditions.temperature_c);
    put("power_w", conditions.power_w);
    return out;
}

/// Reads the members of one object, each with its type and range; what is wrong is named.
class Reader {
  public:
    Reader(const Json& object, Location where) : object_(object), where_(std::move(where)) {
        if (!object.is_object()) fail("", "expected an object");
    }

    [[nodiscard]] const Json* find(const char* key) const {
        const auto found = object_.find(key);
        return found == object_.end() ? nullptr : &*found;
    }
    [[nodiscard]] const Json& at(const char* key) const {
        const Json* value = find(key);
        if (value == nullptr) fail(key, "missing");
        return *value;
    }
    [[nodiscard]] std::int64_t integer(const char* key, std::int64_t least = 1) const {
        const Json& value = at(key);
        if (!value.is_number_integer()) fail(key, "expected a whole number");
        const auto number = value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{1} << 62U
                                ? kMostExtent + 1
                                : value.get<std::int64_t>();
        if (number < least || number > kMostExtent) fail(key, "out of range");
        return number;
    }
    [[nodiscard]] double number(const char* key, double least = 0) const {
        const Json& value = at(key);
        if (!value.is_number()) fail(key, "expected a number");
        const auto out = value.get<double>();
        if (!std::isfinite(out) || out < least) fail(key, "out of range");
        return out;
    }
    [[nodiscard]] double number_or(const char* key, double otherwise) const {
        return find(key) == nullptr ? otherwise : number(key);
    }
    [[nodiscard]] std::string text(const char* key) const {
        const Json& value = at(key);
        if (!value.is_string()) fail(key, "expected a text");
        return value.get<std::string>();
    }
    [[nodiscard]] std::string text_or(const char* key) const {
        return find(key) == nullptr ? std::string() : text(key);
    }
    [[nodiscard]] bool boolean(const char* key) const {
        const Json* value = find(key);
        if (value == nullptr) return false;
        if (!value->is_boolean()) fail(key, "expected true or false");
        return value->get<bool>();
    }
    template <class E>
    [[nodiscard]] E named(const char* key, const std::vector<E>& values) const {
        const std::string written = text(key);
        std::vector<std::string> names;
        for (const E value : values) {
            names.emplace_back(to_string(value));
            if (names.back() == written) return value;
        }
        fail(key, unknown_name(key, written, names));
    }
    [[nodiscard]] std::optional<double> optional(const char* key) const {
        if (find(key) == nullptr) return std::nullopt;
        return number(key, -1e9);
    }
    [[noreturn]] void fail(const std::string& key, const std::string& message) const {
        throw InputError(where_, key, message);
    }

  private:
    const Json& object_;
    Location where_;
};

Operation operation_of(const Reader& reader) {
    const std::string name = reader.text("operation");
    if (const auto found = operation_named(name)) return *found;
    std::vector<std::string> names;
    for (const OperationInfo& info : operations()) names.emplace_back(info.name);
    reader.fail("operation", unknown_name("operation", name, names));
}

KernelCase case_from(const Reader& reader, const Reader& shape) {
    const Operation operation = operation_of(reader);
    const OperationInfo& info = info_of(operation);
    const bool product = operation == Operation::gemm || operation == Operation::grouped_gemm;
    if (!product && operation != Operation::attention && !info.family) {
        return system_case(operation, shape.integer("amount", 0));
    }
    const auto precision = reader.named("precision", kPrecisions);
    const bool backward = reader.boolean("backward");
    if (product) {
        KernelCase out =
            gemm_case(precision, shape.named("layout", kLayouts), shape.integer("batch"), shape.integer("m"),
                      shape.integer("n"), shape.integer("k"), shape.boolean("accumulate"));
        out.operation = operation;
        out.kernel.kind = operation == Operation::gemm ? KernelKind::gemm : KernelKind::grouped_gemm;
        out.kernel.output = shape.named("output", kPrecisions);
        out.kernel.backward = backward;
        return out;
    }
    if (operation == Operation::attention) {
        KernelCase out = attention_case(precision, shape.integer("batch"), shape.integer("seq"),
                                        shape.integer("heads"), shape.integer("kv_heads"),
                                        shape.integer("head_dim"), shape.boolean("causal"), backward);
        out.kernel.n = shape.integer("keys");
        out.kernel.flops = sim::attention_flops(out.kernel);
        return out;
    }
    if (backward && !info.backward) reader.fail("backward", "this operation has no backward");
    return memory_case(operation, precision, shape.integer("rows"), shape.integer("width"), backward);
}

}  // namespace

std::string key_of(const KernelCase& kernel_case, CacheState cache, const DeviceInfo& device) {
    return describe(kernel_case) + (cache == CacheState::hot ? " | hot | " : " | cold | ") + device.name;
}

std::string key_of(const Record& record) {
    DeviceInfo device;
    device.name = record.device;
    return key_of(record.kernel_case, record.cache, device);
}

std::string to_json_line(const Record& record) {
    const KernelCase& c = record.kernel_case;
    Json out;
    out["operation"] = info_of(c.operation).name;
    out["precision"] = orrery::to_string(c.kernel.precision);
    out["backward"] = c.kernel.backward;
    out["shape"] = shape_of(c);
    out["cache"] = record.cache == CacheState::hot ? "hot" : "cold";
    if (c.operation == Operation::usable_memory) {
        out["bytes"] = record.amount;
    } else {
        out["time_s"] = record.time_s.median;
        out["spread_s"] = record.time_s.spread;
        out["mean_s"] = record.time_s.mean;
        out["standard_error_s"] = record.time_s.standard_error;
        out["count"] = record.time_s.count;
        out["converged"] = record.converged;
    }
    if (record.kernel_s > 0) out["kernel_s"] = record.kernel_s;
    if (!record.launched.empty()) out["launched"] = record.launched;
    out["implementation"] = record.implementation;
    out["backend"] = record.backend;
    out["device"] = record.device;
    out["driver"] = record.driver;
    out["conditions"] = conditions_of(record.conditions);
    out["date"] = record.date;
    out["command"] = record.command;
    return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Record parse_record(std::string_view line, const Location& where) {
    Json object;
    try {
        object = Json::parse(line);
    } catch (const Json::exception&) {
        throw InputError(where, "", "expected one JSON object, a sample as orrery profile writes it");
    }
    const Reader reader(object, where);
    Record out;
    out.kernel_case = case_from(reader, Reader(reader.at("shape"), where));
    const std::string cache = reader.text_or("cache");
    if (!cache.empty() && cache != "hot" && cache != "cold") reader.fail("cache", "expected hot or cold");
    out.cache = cache == "hot" ? CacheState::hot : CacheState::cold;
    if (out.kernel_case.operation == Operation::usable_memory) {
        out.amount = reader.number("bytes");
    } else {
        out.time_s.median = reader.number("time_s", 1e-12);
        out.time_s.spread = reader.number_or("spread_s", 0);
        out.time_s.mean = reader.number_or("mean_s", out.time_s.median);
        out.time_s.standard_error = reader.number_or("standard_error_s", 0);
        out.time_s.count = reader.find("count") == nullptr
                               ? 1
                               : static_cast<int>(std::min<std::int64_t>(reader.integer("count"), 1 << 30));
        out.converged = reader.find("converged") == nullptr || reader.boolean("converged");
    }
    out.kernel_s = reader.number_or("kernel_s", 0);
    if (const Json* launched = reader.find("launched")) {
        if (!launched->is_array()) reader.fail("launched", "expected a list of names");
        for (const Json& name : *launched) {
            if (!name.is_string()) reader.fail("launched", "expected a list of names");
            out.launched.push_back(name.get<std::string>());
        }
    }
    out.implementation = reader.text_or("implementation");
    out.backend = reader.text_or("backend");
    out.device = reader.text("device");
    out.driver = reader.text_or("driver");
    out.date = reader.text_or("date");
    out.command = reader.text_or("command");
    if (const Json* conditions = reader.find("conditions")) {
        const Reader inner(*conditions, where);
        out.conditions = {inner.optional("clock_mhz"), inner.optional("memory_clock_mhz"),
                          inner.optional("temperature_c"), inner.optional("power_w")};
    }
    return out;
}

std::vector<Record> read_records(const std::string& path) {
    const std::string text = read_file(path, kMostBytes);
    std::vector<Record> out;
    std::size_t line = 1;
    for (std::size_t at = 0; at < text.size(); ++line) {
        const std::size_t end = text.find('\n', at);
        if (end == std::string::npos) break;  // torn: the profiler was interrupted here
        const std::string_view one = std::string_view(text).substr(at, end - at);
        if (!one.empty()) out.push_back(parse_record(one, {path, line, 0}));
        at = end + 1;
    }
    return out;
}

bool holds_records(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return file.peek() == '{';
}

}  // namespace orrery::profiler
