// report/gzip_writer.hpp
//
// A gzip stream (RFC 1952) written piece by piece; memory stays constant however long the text. The header
// carries no time and no name, so equal texts give equal bytes.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

namespace orrery::report {

/// Receives the compressed bytes, in order.
using ByteSink = std::function<void(std::string_view)>;

class GzipWriter {
  public:
    /// `level` 1 (fast) to 9 (small). Throws std::runtime_error when zlib cannot start.
    explicit GzipWriter(ByteSink sink, int level = 3);
    ~GzipWriter();
    GzipWriter(const GzipWriter&) = delete;
    GzipWriter& operator=(const GzipWriter&) = delete;

    void write(std::string_view text);
    /// Ends the stream; call once, after the last write.
    void finish();

  private:
    struct Stream;
    void deflate(std::string_view text, int flush);

    ByteSink sink_;
    std::unique_ptr<Stream> stream_;
};

}  // namespace orrery::report
