// tests/report/gunzip.hpp
#pragma once

#include <zlib.h>

#include <stdexcept>
#include <string>

namespace orrery::testing {

inline std::string gunzip(const std::string& bytes) {
    z_stream z{};
    if (inflateInit2(&z, 15 + 16) != Z_OK) throw std::runtime_error("zlib");
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    z.avail_in = static_cast<uInt>(bytes.size());
    std::string text;
    char piece[1 << 15];
    int state = Z_OK;
    while (state == Z_OK) {
        z.next_out = reinterpret_cast<Bytef*>(piece);
        z.avail_out = sizeof piece;
        state = inflate(&z, Z_NO_FLUSH);
        text.append(piece, sizeof piece - z.avail_out);
    }
    inflateEnd(&z);
    if (state != Z_STREAM_END) throw std::runtime_error("not a whole gzip stream");
    return text;
}

}  // namespace orrery::testing
