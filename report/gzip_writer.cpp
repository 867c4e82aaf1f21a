#include "report/gzip_writer.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>

namespace orrery::report {

struct GzipWriter::Stream {
    z_stream z{};
    std::array<char, std::size_t{1} << 16> out{};
};

GzipWriter::GzipWriter(ByteSink sink, int level)
    : sink_(std::move(sink)), stream_(std::make_unique<Stream>()) {
    constexpr int kGzipWindow = 15 + 16;  // the largest window, and a gzip instead of a zlib header
    constexpr int kMemoryLevel = 8;
    if (deflateInit2(&stream_->z, level, Z_DEFLATED, kGzipWindow, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
        throw std::runtime_error("zlib: cannot start a gzip stream");
    }
}

GzipWriter::~GzipWriter() {
    deflateEnd(&stream_->z);
}

void GzipWriter::write(std::string_view text) {
    constexpr std::size_t kMost = std::numeric_limits<uInt>::max() / 2;  // zlib counts in 32 bits
    while (!text.empty()) {
        const std::size_t length = std::min(text.size(), kMost);
        deflate(text.substr(0, length), Z_NO_FLUSH);
        text.remove_prefix(length);
    }
}

void GzipWriter::finish() {
    deflate({}, Z_FINISH);
}

void GzipWriter::deflate(std::string_view text, int flush) {
    z_stream& z = stream_->z;
    // zlib takes a pointer to non-const input but does not write through it.
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    z.avail_in = static_cast<uInt>(text.size());
    int state = Z_OK;
    do {
        z.next_out = reinterpret_cast<Bytef*>(stream_->out.data());
        z.avail_out = static_cast<uInt>(stream_->out.size());
        state = ::deflate(&z, flush);
        if (state == Z_STREAM_ERROR) throw std::runtime_error("zlib: gzip stream used after its end");
        sink_({stream_->out.data(), stream_->out.size() - z.avail_out});
    } while (flush == Z_FINISH ? state != Z_STREAM_END : z.avail_out == 0);
}

}  // namespace orrery::report
