// tests/sim/wire.hpp
//
// Protocol Buffers' wire format by hand, to look at what we write and to make what we read without our own
// schema.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace orrery::sim::testing {

inline std::string varint(std::uint64_t value) {
    std::string bytes;
    for (; value > 0x7F; value >>= 7) bytes += static_cast<char>((value & 0x7F) | 0x80);
    return bytes + static_cast<char>(value);
}

inline std::string number_field(unsigned field, std::uint64_t value) {
    return varint(field << 3) + varint(value);
}
inline std::string bytes_field(unsigned field, const std::string& bytes) {
    return varint(field << 3 | 2) + varint(bytes.size()) + bytes;
}
/// A message as it stands in a trace.
inline std::string delimited(const std::string& message) {
    return varint(message.size()) + message;
}

/// AttributeProto: int64_val is field 9, bool_val 27, string_val 29.
inline std::string integer_attribute(const std::string& name, std::int64_t value) {
    return bytes_field(10, bytes_field(1, name) + number_field(9, static_cast<std::uint64_t>(value)));
}
inline std::string truth_attribute(const std::string& name, bool value) {
    return bytes_field(10, bytes_field(1, name) + number_field(27, value ? 1 : 0));
}
inline std::string text_attribute(const std::string& name, const std::string& value) {
    return bytes_field(10, bytes_field(1, name) + bytes_field(29, value));
}

/// A node as another program would write it. Types: 4 computation, 5 send, 6 receive, 7 collective.
inline std::string node(std::uint64_t id, unsigned type, std::uint64_t micros,
                        const std::vector<std::uint64_t>& after, const std::string& attributes = "") {
    std::string packed;
    for (const std::uint64_t before : after) packed += varint(before);
    return delimited(number_field(1, id) + bytes_field(2, "n" + std::to_string(id)) + number_field(3, type) +
                     (packed.empty() ? "" : bytes_field(5, packed)) + number_field(7, micros) + attributes);
}

/// GlobalMetadata with a version.
inline std::string head() {
    return delimited(bytes_field(1, "0.0.4"));
}

/// A field of a message.
struct Field {
    unsigned number = 0;
    unsigned type = 0;        ///< 0 varint, 2 bytes
    std::uint64_t value = 0;  ///< of a varint
    std::string_view bytes;   ///< of the others
};

inline std::uint64_t take_varint(std::string_view& bytes) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; !bytes.empty() && shift < 64; shift += 7) {
        const auto byte = static_cast<std::uint8_t>(bytes.front());
        bytes.remove_prefix(1);
        value |= std::uint64_t{byte & 0x7FU} << shift;
        if (byte < 0x80) return value;
    }
    throw std::runtime_error("no varint");
}

inline std::string_view take(std::string_view& bytes, std::size_t size) {
    if (size > bytes.size()) throw std::runtime_error("cut off");
    const std::string_view taken = bytes.substr(0, size);
    bytes.remove_prefix(size);
    return taken;
}

inline std::vector<Field> fields(std::string_view message) {
    std::vector<Field> all;
    while (!message.empty()) {
        const std::uint64_t key = take_varint(message);
        Field field{static_cast<unsigned>(key >> 3), static_cast<unsigned>(key & 7), 0, {}};
        if (field.type == 0)
            field.value = take_varint(message);
        else if (field.type == 1)
            field.bytes = take(message, 8);
        else if (field.type == 2)
            field.bytes = take(message, take_varint(message));
        else if (field.type == 5)
            field.bytes = take(message, 4);
        else
            throw std::runtime_error("no wire type");
        all.push_back(field);
    }
    return all;
}

/// The messages of a trace.
inline std::vector<std::string_view> messages(std::string_view trace) {
    std::vector<std::string_view> all;
    while (!trace.empty()) all.push_back(take(trace, take_varint(trace)));
    return all;
}

/// The first field of that number, or an empty one.
inline Field field(std::string_view message, unsigned number) {
    for (const Field& each : fields(message))
        if (each.number == number) return each;
    return {};
}

/// The attribute of a node (field 10) of that name, without its name; an empty field when there is none.
inline Field attribute(std::string_view node, std::string_view name) {
    for (const Field& each : fields(node)) {
        if (each.number != 10 || field(each.bytes, 1).bytes != name) continue;
        for (const Field& part : fields(each.bytes))
            if (part.number > 2) return part;
    }
    return {};
}

}  // namespace orrery::sim::testing
