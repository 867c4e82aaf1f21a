// profiler/execute/archive.hpp
//
// Values as bytes for another process of the same build: plain structs as they lie in memory, vectors and
// texts with their length first. What is written by Writer is read by Reader through the same function
// `archive(archive, value)`, found in this namespace for every struct that holds vectors or texts.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace orrery::profiler {

class Writer {
  public:
    template <class T>
    void operator()(const T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        append(&value, sizeof(T));
    }
    template <class T>
    void operator()(const std::vector<T>& values) {
        (*this)(static_cast<std::uint64_t>(values.size()));
        if constexpr (std::is_trivially_copyable_v<T>) {
            append(values.data(), values.size() * sizeof(T));
        } else {
            for (const T& value : values) archive(*this, value);
        }
    }
    void operator()(const std::string& text) {
        (*this)(static_cast<std::uint64_t>(text.size()));
        append(text.data(), text.size());
    }

    std::string bytes;

  private:
    void append(const void* data, std::size_t size) {
        if (size != 0) bytes.append(static_cast<const char*>(data), size);
    }
};

class Reader {
  public:
    explicit Reader(std::string_view text) : left_(text) {}

    template <class T>
    void operator()(T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        take(&value, sizeof(T));
    }
    template <class T>
    void operator()(std::vector<T>& values) {
        if constexpr (std::is_trivially_copyable_v<T>) {
            values.resize(count(sizeof(T)));
            take(values.data(), values.size() * sizeof(T));
        } else {
            values.resize(count(1));
            for (T& value : values) archive(*this, value);
        }
    }
    void operator()(std::string& text) {
        text.resize(count(1));
        take(text.data(), text.size());
    }

    [[nodiscard]] bool done() const { return left_.empty(); }

  private:
    /// A length that what is left can hold.
    std::size_t count(std::size_t each) {
        std::uint64_t size = 0;
        (*this)(size);
        if (size > left_.size() / each) throw std::runtime_error("an execution's file is cut off");
        return size;
    }
    void take(void* to, std::size_t size) {
        if (size > left_.size()) throw std::runtime_error("an execution's file is cut off");
        if (size != 0) std::memcpy(to, left_.data(), size);
        left_.remove_prefix(size);
    }

    std::string_view left_;
};

}  // namespace orrery::profiler
