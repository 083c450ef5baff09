#include "server/config/print.h"

#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/fields.h"

namespace tessera {
namespace {

using testing::HasSubstr;

TEST(Print, ShowsOriginsAndReadsBack) {
  LoadedConfig loaded;
  ASSERT_TRUE(apply_yaml("config_version: 1\nmodel:\n  path: 'odd: #path'\n"
                         "decode: { proposer: { kind: ngram, ratio: 2.0, name: \"7\" } }\n",
                         "f.yaml", "/", loaded)
                  .ok());
  ASSERT_TRUE(apply_set("schedule.seqs_max=9", loaded).ok());
  ASSERT_TRUE(
      apply_set("diffusion_models=[{path: /a}, {path: /b, memory_bytes: 2GiB}]", loaded).ok());
  const std::string text = print_config(loaded);
  EXPECT_THAT(text, HasSubstr("# f.yaml:3"));
  EXPECT_THAT(text, HasSubstr("# --set schedule.seqs_max"));
  EXPECT_THAT(text, HasSubstr("# default"));
  LoadedConfig again;
  const absl::Status status = apply_yaml(text, "again.yaml", "/", again);
  ASSERT_TRUE(status.ok()) << status << text;
  EXPECT_EQ(print_config({again.config, {}}), print_config({loaded.config, {}}));
  EXPECT_EQ(again.config.engine.proposer.params, loaded.config.engine.proposer.params);
  ASSERT_EQ(again.config.diffusion_models.size(), 2u);
  EXPECT_EQ(again.config.diffusion_models[1].memory_bytes, int64_t{2} << 30);
}

TEST(Print, ReferenceReadsBackAsTheDefaults) {
  LoadedConfig loaded;
  ASSERT_TRUE(apply_yaml(print_reference(), "reference.yaml", "", loaded).ok());
  EXPECT_EQ(print_config({loaded.config, {}}), print_config({}));
}

TEST(Print, ReferencePageIsUpToDate) {
  std::ifstream in(TESSERA_SOURCE_DIR "/config/reference.yaml");
  const std::string page((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  EXPECT_EQ(page, print_reference())
      << "write it anew: build/release/bin/tesserad --help-config > config/reference.yaml";
}

TEST(Print, EveryFieldSaysWhatItMeans) {
  ServerConfig config;
  config.diffusion_models.resize(1);
  for (const Field& field : config_fields(config))
    EXPECT_FALSE(field.meaning.empty()) << field.path;
}

}  // namespace
}  // namespace tessera
