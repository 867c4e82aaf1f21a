// tests/report/browser.hpp
//
// Pages opened from a file by headless Chromium, with a script of the test's own beside the page's, whose
// findings are read from the DOM that the browser prints. Skipped where there is no Chromium or no script in
// this binary.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "report/html/page.hpp"

namespace orrery::report::testing {

inline std::string output_of(const std::string& command) {
    std::string text;
    FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return text;
    std::array<char, 65536> piece{};
    for (std::size_t n = 0; (n = fread(piece.data(), 1, piece.size(), pipe)) > 0;)
        text.append(piece.data(), n);
    pclose(pipe);
    return text;
}

class Browser : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!has_web_bundle()) GTEST_SKIP() << "built without Node";
        if (output_of("command -v chromium").empty()) GTEST_SKIP() << "no chromium here";
        std::string name = (std::filesystem::temp_directory_path() / "orrery-browser-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        dir_ = name;
    }
    void TearDown() override {
        if (!dir_.empty()) std::filesystem::remove_all(dir_);
    }

    /// Opens the page, runs `script` (the body of an async function; `found` is what it found) and returns
    /// `found`, with the page's errors in found["errors"].
    nlohmann::json found(std::string page, const std::string& script) {
        const std::string before =  // A browser without a window draws no frames to wait for.
            "<script>window.requestAnimationFrame=(f)=>setTimeout(f,16);window.errors=[];addEventListener('"
            "error',(e)=>errors.push(e.message));"
            "addEventListener('securitypolicyviolation',(e)=>errors.push(e.blockedURI));</script>";
        const std::string after =
            "<script>(async()=>{const found={};const wait=()=>new "
            "Promise((r)=>setTimeout(()=>requestAnimationFrame(()=>requestAnimationFrame(r)),50));try{await "
            "wait();" +
            script +
            "}catch(e){errors.push(String(e))}found.errors=errors;"
            "document.body.replaceChildren();document.body.textContent='FOU'+'ND'+btoa(JSON.stringify(found))"
            "+'"
            "END';"
            "})()</script>";
        page.insert(page.find("<title>"), before);
        page.insert(page.rfind("</body>"), after);
        const std::filesystem::path file = dir_ / "page.html";
        std::ofstream(file) << page;
        const std::string dom = output_of(
            "timeout 100 chromium --headless --no-sandbox --disable-gpu --disable-background-networking "
            "--no-first-run "
            "--window-size=1400,1200 --virtual-time-budget=6000 --user-data-dir=" +
            (dir_ / "profile").string() + " --dump-dom file://" + file.string() + " 2>/dev/null");
        const std::size_t begin = dom.find("FOUND");
        const std::size_t end = dom.find("END", begin);
        if (begin == std::string::npos || end == std::string::npos)
            return {{"errors", {"no findings: " + dom.substr(0, 300)}}};
        return nlohmann::json::parse(decoded(dom.substr(begin + 5, end - begin - 5)));
    }

    static std::string decoded(const std::string& base64) {
        const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        std::string bytes;
        unsigned bits = 0;
        int count = 0;
        for (const char c : base64) {
            const std::size_t digit = digits.find(c);
            if (digit == std::string::npos) break;
            bits = bits << 6 | static_cast<unsigned>(digit);
            count += 6;
            if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xFF);
        }
        return bytes;
    }

    std::filesystem::path dir_;
};

}  // namespace orrery::report::testing
