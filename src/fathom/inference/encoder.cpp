// The blocks of an encoder (BERT's kind) in bfloat16, for processor cores: what a block makes stays in a core's caches.
//
// Texts stand one behind the other without padding. A call answers groups of texts, of some 500 tokens each; a group goes
// through all blocks before the next one begins. Each thread takes the next group from a counter; where there are fewer groups
// than threads that can share one, they go through a group together.
//
//   product    32 x 32 results from bfloat16: AMX tiles where the processor has them, otherwise AVX512-BF16
//   linear     a linear map; results are finished (bias, GELU, residual sum) beside the products of the next 32 x 32
//   attend     one head of one text: scores, softmax, mean of values
//   encode     embeddings, blocks, final states
//
// Matrices are in blocks: 32 rows of 32 columns stand together, then the next 32 columns. A row of a block, 64 bytes of
// bfloat16, is a row of a tile; nothing that is read together is a power of two apart, which caches bear badly.
// Sums, residuals, norms and softmax are in float32.

#include <immintrin.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

// Of torch's OpenMP, whose threads wait at work: others would have to share the cores with them.
extern "C" void GOMP_parallel(void (*work)(void*), void* with, unsigned threads, unsigned flags);
extern "C" int omp_get_num_threads();
extern "C" int omp_get_thread_num();

namespace {

using bf16 = uint16_t;

constexpr int kTile = 16 * 32;      // entries of a tile: 16 rows of 32 in bfloat16
constexpr int kBlock = 32 * 32;     // entries of a block, two tiles
constexpr int kGroup = 512;         // tokens of a group
constexpr int kSmallGroup = 256;    // of a group at least, where each thread has its own
constexpr int kInner = 512;         // entries between the two maps of a feed-forward part that are made at a time
constexpr size_t kPage = 2u << 20;  // small pages cost half the speed

int rounded(int n, int to) { return (n + to - 1) / to * to; }

// Where a row begins in a matrix of blocks. column: a multiple of 32.
size_t place(int row, int column, int width) {
  return size_t(row / 32) * width * 32 + size_t(column / 32) * kBlock + row % 32 * 32;
}

// --- products ---

// c (16 R x 32) = a (16 R x 32 steps) b (32 steps x 32), of float32. Of a: rows of 32 entries, one behind the other, and
// a_step entries on the next 32 columns. Of b: two tiles, each 16 pairs of rows by 16 columns, and b_step entries on the next.
// `between` is called after each step with its number: work for the units that a product leaves free.
#if defined(__AMX_BF16__) || defined(__AMXBF16__)  // as gcc and as clang call it

struct Tiles {
  Tiles() {
    struct alignas(64) {
      uint8_t palette = 1, start = 0, reserved[14] = {};
      uint16_t bytes[16] = {};
      uint8_t rows[16] = {};
    } shape;
    std::fill_n(shape.bytes, 8, 64);
    std::fill_n(shape.rows, 8, 16);
    _tile_loadconfig(&shape);
  }
  ~Tiles() { _tile_release(); }
};

// Compilers may not know that tiles are read from memory and written to it.
inline void memory_is_used() { __asm__ volatile("" ::: "memory"); }

bool permitted() { return syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */) == 0; }

template <int R, class Between>
inline void product(const bf16* a, size_t a_step, const bf16* b, size_t b_step, int steps, float* c, Between between) {
  memory_is_used();
  _tile_zero(0);
  _tile_zero(1);
  if (R > 1) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int step = 0; step < steps; step++, a += a_step, b += b_step) {
    _tile_loadd(6, b, 64);
    _tile_loadd(7, b + kTile, 64);
    _tile_stream_loadd(4, a, 64);  // a passes by; in the first-level cache it would push out b, which is read again
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if (R > 1) {
      _tile_stream_loadd(5, a + kTile, 64);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    between(step);
  }
  _tile_stored(0, c, 128);
  _tile_stored(1, c + 16, 128);
  if (R > 1) {
    _tile_stored(2, c + 16 * 32, 128);
    _tile_stored(3, c + 16 * 32 + 16, 128);
  }
  memory_is_used();
}

#else

struct Tiles {
  Tiles() {}
};

bool permitted() { return true; }

inline void eight_rows(const bf16* a, size_t a_step, const bf16* b, size_t b_step, int steps, float* c) {
  __m512 sums[8][2];
  for (auto& row : sums) row[0] = row[1] = _mm512_setzero_ps();
  for (int step = 0; step < steps; step++, a += a_step, b += b_step) {
    for (int pair = 0; pair < 16; pair++) {
      const __m512bh left = (__m512bh)_mm512_load_si512(b + 32 * pair),
                     right = (__m512bh)_mm512_load_si512(b + kTile + 32 * pair);
      for (int row = 0; row < 8; row++) {
        int two;
        std::memcpy(&two, a + 32 * row + 2 * pair, 4);
        const __m512bh both = (__m512bh)_mm512_set1_epi32(two);
        sums[row][0] = _mm512_dpbf16_ps(sums[row][0], both, left);
        sums[row][1] = _mm512_dpbf16_ps(sums[row][1], both, right);
      }
    }
  }
  for (int row = 0; row < 8; row++) {
    _mm512_store_ps(c + 32 * row, sums[row][0]);
    _mm512_store_ps(c + 32 * row + 16, sums[row][1]);
  }
}

template <int R, class Between>
inline void product(const bf16* a, size_t a_step, const bf16* b, size_t b_step, int steps, float* c, Between between) {
  for (int row = 0; row < 16 * R; row += 8) eight_rows(a + 32 * row, a_step, b, b_step, steps, c + 32 * row);
  for (int step = 0; step < steps; step++) between(step);
}

#endif

template <class Between>
inline void product(int rows, const bf16* a, size_t a_step, const bf16* b, size_t b_step, int steps, float* c,
                    Between between) {
  if (rows > 16) {
    product<2>(a, a_step, b, b_step, steps, c, between);
  } else {
    product<1>(a, a_step, b, b_step, steps, c, between);
  }
}

void nothing_else(int) {}

// --- functions of 16 numbers ---

// 2 to the power of x, 1e-4 of it at most wrong: bfloat16 rounds by 4e-3. The polynomial is the minimax of 2^f, 0 <= f < 1.
inline __m512 power_of_two(__m512 x) {
  const __m512 f = _mm512_reduce_ps(x, 0x01);  // x less the whole number below it
  __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0.07802452f), f, _mm512_set1_ps(0.226067159f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.695833539f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.999925219f));
  return _mm512_scalef_ps(p, x);
}

// x times the normal distribution's share below x, 1e-4 at most wrong within 4 and 1e-5 of x beyond. The polynomial is the
// minimax of (share - 1/2) / x in x^2 with errors weighted by |x| + 0.3.
inline __m512 gelu(__m512 x) {
  constexpr float terms[] = {-1.34275282e-09f, 1.06883029e-07f, -3.72801377e-06f, 7.58306642e-05f,
                             -1.01394263e-03f, 9.53629834e-03f, -6.59500981e-02f, 3.98717813e-01f};
  const __m512 u = _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(-4.f)), _mm512_set1_ps(4.f)), square = _mm512_mul_ps(u, u);
  __m512 p = _mm512_set1_ps(terms[0]);
  for (int i = 1; i < 8; i++) p = _mm512_fmadd_ps(p, square, _mm512_set1_ps(terms[i]));
  return _mm512_mul_ps(x, _mm512_fmadd_ps(p, u, _mm512_set1_ps(0.5f)));
}

inline void store(bf16* to, __m512 left, __m512 right) { _mm512_store_si512(to, (__m512i)_mm512_cvtne2ps_pbh(right, left)); }

// --- linear maps and norms ---

// From the `begin`th number to the `end`th.
struct Span {
  int begin, end;
};

// a (rows x inputs, in blocks) times a packed map, plus bias, 32 outputs after the other; b_size entries of it belong to each
// 32. `after` gets each row of 32 results, in two halves.
template <class After>
void linear(const bf16* a, int rows, const bf16* packed, size_t b_size, const float* bias, Span outputs, int inputs,
            After after) {
  alignas(64) float results[2][kBlock];
  const int steps = inputs / 32, blocks = (rows + 31) / 32, share = (32 + steps - 1) / steps;
  const int ahead = blocks < 4 ? 0 : (inputs + blocks - 1) / blocks;  // lines of the next 32 outputs that are fetched early
  int turn = 0, row_before = 0, column_before = 0, count_before = 0;
  const auto finish = [&](int begin, int end) {
    const float *from = results[1 - turn], *added = bias + column_before;
    for (int row = begin; row < std::min(end, count_before); row++) {
      after(row_before + row, column_before, _mm512_add_ps(_mm512_load_ps(from + 32 * row), _mm512_loadu_ps(added)),
            _mm512_add_ps(_mm512_load_ps(from + 32 * row + 16), _mm512_loadu_ps(added + 16)));
    }
  };
  const char* near = nullptr;  // where few rows read the map once: what is fetched early is the next 8 steps
  const auto between = [&](int step) {
    for (int line = 0; near && line < 32; line++) _mm_prefetch(near + (step + 8) * 2 * kBlock + 64 * line, _MM_HINT_T1);
    finish(step * share, step * share + share);
  };
  for (int column = outputs.begin; column < outputs.end; column += 32) {
    const bf16* b = packed + column / 32 * b_size;
    const char* next = reinterpret_cast<const char*>(b + b_size);
    for (int row = 0; row < rows; row += 32) {
      for (int line = 0; line < ahead; line++, next += 64) _mm_prefetch(next, _MM_HINT_T1);
      const int count = std::min(32, rows - row);
      near = ahead || row ? nullptr : reinterpret_cast<const char*>(b);
      product(count, a + size_t(row) * inputs, kBlock, b, kBlock, steps, results[turn], between);
      turn = 1 - turn;
      row_before = row, column_before = column, count_before = count;
    }
  }
  finish(0, 32);
}

struct Norm {
  const float *weight, *bias;
};

// A row of x, in place and in bfloat16. line: room for a row.
void normalise(float* x, bf16* half, int row, int width, const Norm& norm, float eps, float* line) {
  x += place(row, 0, width);
  half += place(row, 0, width);
  __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()}, squares[2] = {sum[0], sum[1]};
  for (int i = 0; i < width; i += 32) {
    for (int j = 0; j < 2; j++) {
      const __m512 value = _mm512_load_ps(x + 32 * i + 16 * j);
      _mm512_store_ps(line + i + 16 * j, value);
      sum[j] = _mm512_add_ps(sum[j], value);
    }
  }
  const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(_mm512_add_ps(sum[0], sum[1])) / width);
  for (int i = 0; i < width; i += 32) {
    for (int j = 0; j < 2; j++) {
      const __m512 apart = _mm512_sub_ps(_mm512_load_ps(line + i + 16 * j), mean);
      squares[j] = _mm512_fmadd_ps(apart, apart, squares[j]);
    }
  }
  const float variance = _mm512_reduce_add_ps(_mm512_add_ps(squares[0], squares[1])) / width;
  const __m512 scale = _mm512_set1_ps(1.f / __builtin_sqrtf(variance + eps));
  for (int i = 0; i < width; i += 32) {
    __m512 part[2];
    for (int j = 0; j < 2; j++) {
      const int at = i + 16 * j;
      const __m512 apart = _mm512_mul_ps(_mm512_sub_ps(_mm512_load_ps(line + at), mean), scale);
      part[j] = _mm512_fmadd_ps(apart, _mm512_loadu_ps(norm.weight + at), _mm512_loadu_ps(norm.bias + at));
      _mm512_store_ps(x + 32 * i + 16 * j, part[j]);
    }
    store(half + 32 * i, part[0], part[1]);
  }
}

// --- attention ---

// Room for one head of one text.
struct Head {
  bf16 *keys, *values;  // as the right sides of products
  float* scores;        // of 32 queries, in blocks of 32 keys
  bf16* weights;        // the same in bfloat16
};

// 16 keys of 32 entries (those from `count` on: zeros) -> a tile of 16 pairs of entries by 16 keys.
inline void transpose(const bf16* keys, int count, bf16* tile) {
  __m512i a[16], b[16];
  for (int i = 0; i < 16; i++) a[i] = i < count ? _mm512_load_si512(keys + 32 * i) : _mm512_setzero_si512();
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int j = 0; j < 2; j++) {
      a[i + 2 * j] = _mm512_unpacklo_epi64(b[i + j], b[i + 2 + j]);
      a[i + 2 * j + 1] = _mm512_unpackhi_epi64(b[i + j], b[i + 2 + j]);
    }
  }
  for (int i = 0; i < 16; i += 8) {
    for (int j = i; j < i + 4; j++) {
      b[j] = _mm512_shuffle_i32x4(a[j], a[j + 4], 0x88);
      b[j + 4] = _mm512_shuffle_i32x4(a[j], a[j + 4], 0xdd);
    }
  }
  for (int i = 0; i < 8; i++) {
    _mm512_store_si512(tile + 32 * i, _mm512_shuffle_i32x4(b[i], b[i + 8], 0x88));
    _mm512_store_si512(tile + 32 * (i + 8), _mm512_shuffle_i32x4(b[i], b[i + 8], 0xdd));
  }
}

// Two values of 32 entries -> a row of each of two tiles: 16 entries, of the one and the other in turn.
inline void interleave(__m512i one, __m512i other, bf16* tile) {
  alignas(64) static constexpr uint16_t order[32] = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                                     8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  const __m512i low = _mm512_load_si512(order), high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  _mm512_store_si512(tile, _mm512_permutex2var_epi16(one, low, other));
  _mm512_store_si512(tile + kTile, _mm512_permutex2var_epi16(one, high, other));
}

// Weights of each row before they are divided by their sum, and one over the sum. seen: of the last 32 keys.
// scale: of scores, times log2 e.
inline void softmax(const Head& head, int rows, int keys, const __mmask16* seen, float scale, float* inverse) {
  const __m512 least = _mm512_set1_ps(-1e30f), by = _mm512_set1_ps(scale);
  for (int row = 0; row < rows; row++) {
    const float *scores = head.scores + 32 * row, *last = scores + 32 * (keys - 32);
    bf16* weights = head.weights + 32 * row;
    const __m512 end[2] = {_mm512_mask_load_ps(least, seen[0], last), _mm512_mask_load_ps(least, seen[1], last + 16)};
    __m512 most[2] = {end[0], end[1]}, power[2], sum[2];
    for (int key = 0; key < keys - 32; key += 32) {
      for (int j = 0; j < 2; j++) most[j] = _mm512_max_ps(most[j], _mm512_load_ps(scores + 32 * key + 16 * j));
    }
    const __m512 zero = _mm512_set1_ps(scale * _mm512_reduce_max_ps(_mm512_max_ps(most[0], most[1])));
    for (int j = 0; j < 2; j++) sum[j] = power[j] = power_of_two(_mm512_fmsub_ps(end[j], by, zero));
    store(weights + 32 * (keys - 32), power[0], power[1]);
    for (int key = 0; key < keys - 32; key += 32) {
      for (int j = 0; j < 2; j++) {
        power[j] = power_of_two(_mm512_fmsub_ps(_mm512_load_ps(scores + 32 * key + 16 * j), by, zero));
        sum[j] = _mm512_add_ps(sum[j], power[j]);
      }
      store(weights + 32 * key, power[0], power[1]);
    }
    inverse[row] = 1.f / _mm512_reduce_add_ps(_mm512_add_ps(sum[0], sum[1]));
  }
}

// The means of one head's values for some queries of a text, to rows of `mixed` from `row` and `column` on.
// query, key, value: rows of 32 entries, `apart` entries on the next 32 of the head's `parts`.
void attend(const bf16* query, int queries, const bf16* key, const bf16* value, int length, size_t apart, int parts,
            float scale, const Head& head, bf16* mixed, int row, int column, int width) {
  const int keys = rounded(length, 32);
  for (int at = 0; at < keys; at += 32) {
    for (int part = 0; part < parts; part++) {
      bf16 *k = head.keys + (at / 32 * parts + part) * kBlock, *v = head.values + (at / 32 * parts + part) * kBlock;
      transpose(key + 32 * at + part * apart, length - at, k);
      transpose(key + 32 * (at + 16) + part * apart, length - at - 16, k + kTile);
      for (int i = at; i < at + 32; i += 2) {
        const bf16* two = value + 32 * i + part * apart;
        const __m512i none = _mm512_setzero_si512();
        interleave(i < length ? _mm512_load_si512(two) : none, i + 1 < length ? _mm512_load_si512(two + 32) : none,
                   v + 16 * (i - at));
      }
    }
  }
  const uint32_t last = 0xffffffffu >> (keys - length);
  const __mmask16 seen[2] = {__mmask16(last), __mmask16(last >> 16)};
  alignas(64) float result[kBlock], inverse[32];
  for (int first = 0; first < queries; first += 32) {
    const int count = std::min(32, queries - first);
    for (int at = 0; at < keys; at += 32) {
      product(count, query + 32 * first, apart, head.keys + at * 32 * parts, kBlock, parts, head.scores + 32 * at,
              nothing_else);
    }
    softmax(head, count, keys, seen, scale, inverse);
    for (int part = 0; part < parts; part++) {
      product(count, head.weights, kBlock, head.values + part * kBlock, size_t(parts) * kBlock, keys / 32, result,
              nothing_else);
      for (int i = 0; i < count; i++) {
        const __m512 by = _mm512_set1_ps(inverse[i]);
        store(mixed + place(row + first + i, column + 32 * part, width), _mm512_mul_ps(by, _mm512_load_ps(result + 32 * i)),
              _mm512_mul_ps(by, _mm512_load_ps(result + 32 * i + 16)));
      }
    }
  }
}

// --- an encoder ---

struct Map {
  const bf16* packed;
  const float* bias;
};

struct Block {
  Map mix;  // to queries, keys and values
  Map output, up, down;
  Norm after_attention, after_feed_forward;
};

struct Encoder {
  int32_t width, heads, inner, depth;
  float eps, scale;                         // scale: of scores, times log2 e
  const float *token, *position, *segment;  // tables; segment may be null
  Norm norm;
  const Block* blocks;  // depth of them
};

struct Texts {
  const int32_t *tokens, *positions, *segments;  // segments may be null
  const int32_t* starts;                         // where each text starts, and where the last one ends
  int32_t count;
};

// Memory of a thread, kept from call to call.
struct Room {
  char* at = nullptr;
  size_t size = 0;
  ~Room() { free(at); }
  bool reserve(size_t wanted) {
    if (wanted <= size) return true;
    free(at);
    size = (wanted + kPage - 1) / kPage * kPage;
    at = static_cast<char*>(aligned_alloc(kPage, size));
    if (!at) size = 0;
    if (at) madvise(at, size, MADV_HUGEPAGE);
    return at;
  }
};

thread_local Room room;

// Where threads wait for each other.
struct Meeting {
  std::atomic<int> arrived{0}, held{0};
};

// Threads that go through a group together, as one of them sees it.
struct Team {
  Meeting& meeting;
  int size, member;

  // Returns once all have come.
  void meet() const {
    if (size == 1) return;
    const int number = meeting.held;
    if (meeting.arrived.fetch_add(1) == size - 1) {
      meeting.arrived = 0;
      meeting.held = number + 1;
    }
    for (int turn = 0; meeting.held == number; turn++) turn < 2000 ? _mm_pause() : (void)sched_yield();
  }

  // This member's part of `count` things; `by` of them stay together.
  Span share(int count, int by = 1) const {
    const int parts = (count + by - 1) / by;
    return {std::min(parts * member / size * by, count), std::min(parts * (member + 1) / size * by, count)};
  }
};

// Texts `begin` to `end`, and where everything that is made of them stands in memory.
struct Group {
  const Encoder& encoder;
  const Texts& texts;
  const int begin, end;
  const int before = texts.starts[begin], total = texts.starts[end] - before;
  const int width = encoder.width, size = width / encoder.heads;
  const int rows = rounded(total, 32) + 32;  // tiles read up to 31 rows too far
  const int longest = find_longest();
  size_t used = 0;
  // residual stream; the same in bfloat16, and what attention made; queries, keys, values, and a part of what is between maps
  const size_t x = reserve<float>(size_t(rows) * width), half = reserve<bf16>(size_t(rows) * width);
  const size_t wide = reserve<bf16>(size_t(rows) * std::max(3 * width, std::min(kInner, encoder.inner)));
  const size_t zeros = reserve<float>(width);
  const size_t shared = std::exchange(used, 0);
  // of each thread
  const size_t keys = reserve<bf16>(size_t(longest) * size), values = reserve<bf16>(size_t(longest) * size);
  const size_t scores = reserve<float>(size_t(longest) * 32), weights = reserve<bf16>(size_t(longest) * 32);
  const size_t line = reserve<float>(width);
  const size_t own = used;

  template <class T>
  size_t reserve(size_t entries) {
    return std::exchange(used, used + (entries * sizeof(T) + 63) / 64 * 64);
  }

  int find_longest() const {
    int found = 0;
    for (int text = begin; text < end; text++) found = std::max(found, texts.starts[text + 1] - texts.starts[text]);
    return rounded(found, 32);
  }
};

// What one member of a team has to do. memory: group.shared bytes, and group.own for each member.
void encode_group(const Group& group, const Team& team, char* memory, bool only_first, float* out) {
  const Encoder& encoder = group.encoder;
  const Texts& texts = group.texts;
  const int width = group.width, size = group.size, parts = size / 32, begin = group.begin, end = group.end;
  const int before = group.before, total = group.total;
  float* const x = reinterpret_cast<float*>(memory + group.x);
  bf16 *const half = reinterpret_cast<bf16*>(memory + group.half), *const wide = reinterpret_cast<bf16*>(memory + group.wide);
  float* const zeros = reinterpret_cast<float*>(memory + group.zeros);
  char* const own = memory + group.shared + team.member * group.own;
  float* const line = reinterpret_cast<float*>(own + group.line);
  const Head head = {reinterpret_cast<bf16*>(own + group.keys), reinterpret_cast<bf16*>(own + group.values),
                     reinterpret_cast<float*>(own + group.scores), reinterpret_cast<bf16*>(own + group.weights)};
  const Tiles tiles;
  const auto columns = [&](int from, int to) {  // a member's
    const Span some = team.share(to - from, 32);
    return Span{from + some.begin, from + some.end};
  };
  const auto each_row = [&](int count, auto work) {
    const Span some = team.share(count);
    for (int row = some.begin; row < some.end; row++) work(row);
    team.meet();
  };

  std::memset(zeros, 0, width * 4);  // by each member: the same
  each_row(total, [&](int row) {
    const float* token = encoder.token + size_t(texts.tokens[before + row]) * width;
    const float* position = encoder.position + size_t(texts.positions[before + row]) * width;
    const int number = texts.segments ? texts.segments[before + row] : 0;
    const float* segment = encoder.segment ? encoder.segment + size_t(number) * width : zeros;
    for (int i = 0; i < width; i += 16) {
      const __m512 sum = _mm512_add_ps(_mm512_loadu_ps(token + i), _mm512_loadu_ps(segment + i));
      _mm512_store_ps(x + place(row, i, width) + i % 32, _mm512_add_ps(sum, _mm512_loadu_ps(position + i)));
    }
    normalise(x, half, row, width, encoder.norm, encoder.eps, line);
  });

  const size_t part = size_t(width) * 32;        // of a map, for 32 outputs
  const size_t apart = size_t(group.rows) * 32;  // from 32 columns of queries, keys and values to the next
  const bf16 *const key = wide + width / 32 * apart, *const value = key + width / 32 * apart;
  const auto to_wide = [=](int row, int column, __m512 left, __m512 right) {
    store(wide + column / 32 * apart + row * 32, left, right);
  };
  const auto onto_x = [=](int row, int column, __m512 left, __m512 right) {
    float* sum = x + place(row, column, width);
    _mm512_store_ps(sum, _mm512_add_ps(_mm512_load_ps(sum), left));
    _mm512_store_ps(sum + 16, _mm512_add_ps(_mm512_load_ps(sum + 16), right));
  };
  int count = total;
  for (int number = 0; number < encoder.depth; number++) {
    const Block& block = encoder.blocks[number];
    const bool only = only_first && number == encoder.depth - 1;  // keys and values of all, everything else of first tokens
    const Map& mix = block.mix;
    if (only) {
      linear(half, total, mix.packed, part, mix.bias, columns(width, 3 * width), width, to_wide);
      team.meet();
      count = end - begin;
      if (team.member == 0) {  // in their order: a row may be taken from where another is put
        for (int row = 0; row < count; row++) {
          for (int i = 0; i < width; i += 32) {
            const size_t there = place(row, i, width), from = place(texts.starts[begin + row] - before, i, width);
            std::memmove(half + there, half + from, 64);
            std::memmove(x + there, x + from, 128);
          }
        }
      }
      team.meet();
      linear(half, count, mix.packed, part, mix.bias, columns(0, width), width, to_wide);
    } else {
      linear(half, total, mix.packed, part, mix.bias, columns(0, 3 * width), width, to_wide);
    }
    team.meet();
    const Span some = team.share((end - begin) * encoder.heads);
    for (int task = some.begin; task < some.end; task++) {
      const int text = begin + task / encoder.heads, i = task % encoder.heads;
      const int start = texts.starts[text] - before, length = texts.starts[text + 1] - before - start;
      const int row = only ? text - begin : start;
      const size_t at = i * parts * apart;
      attend(wide + at + 32 * row, only ? 1 : length, key + at + 32 * start, value + at + 32 * start, length, apart, parts,
             encoder.scale, head, half, row, i * size, width);
    }
    team.meet();
    linear(half, count, block.output.packed, part, block.output.bias, columns(0, width), width, onto_x);
    team.meet();
    each_row(count, [&](int row) { normalise(x, half, row, width, block.after_attention, encoder.eps, line); });
    for (int from = 0; from < encoder.inner; from += kInner) {
      const int inner = std::min(kInner, encoder.inner - from);
      linear(half, count, block.up.packed + size_t(from) * width, part, block.up.bias + from, columns(0, inner), width,
             [=](int row, int column, __m512 left, __m512 right) {
               store(wide + place(row, column, inner), gelu(left), gelu(right));
             });
      team.meet();
      linear(wide, count, block.down.packed + size_t(from) * 32, size_t(encoder.inner) * 32, from ? zeros : block.down.bias,
             columns(0, width), inner, onto_x);
      team.meet();
    }
    each_row(count, [&](int row) { normalise(x, half, row, width, block.after_feed_forward, encoder.eps, line); });
  }
  out += size_t(only_first ? begin : before) * width;
  each_row(count, [&](int row) {
    for (int i = 0; i < width; i += 32) std::memcpy(out + size_t(row) * width + i, x + place(row, i, width), 128);
  });
}

// What a call asks for.
struct Work {
  const Encoder& encoder;
  const Texts& texts;
  const int threads;
  const bool only_first;
  float* const out;
  const std::vector<int> groups = divided();  // the first text of each, and the end of the last
  std::atomic<int> next{0};                   // where each thread takes the next group
  std::atomic<bool> done{true};               // false: memory was missing
  char* memory = nullptr;                     // where all go through a group together
  Meeting meeting = {};

  int count() const { return groups.size() - 1; }
  Group group(int number) const { return {encoder, texts, groups[number], groups[number + 1]}; }
  int most_members() const { return std::max(1, encoder.width / 64); }  // with less to do they would wait more than work

  // As large as a core's cache holds, or smaller, so that there is one for each thread; but not too small.
  std::vector<int> divided() const {
    const int tokens = texts.starts[texts.count], each = (tokens + threads - 1) / threads;
    const int size = each < kSmallGroup ? kGroup : std::min(each, kGroup);
    std::vector<int> found;
    for (int text = 0; text < texts.count; text++) {
      if (!text || texts.starts[text] / size != texts.starts[text - 1] / size) found.push_back(text);
    }
    found.push_back(texts.count);
    return found;
  }
};

void each_a_group(void* given) {
  Work& work = *static_cast<Work*>(given);
  Meeting meeting;
  for (int number = work.next++; number < work.count(); number = work.next++) {
    const Group group = work.group(number);
    if (!room.reserve(group.shared + group.own)) {
      work.done = false;
      return;
    }
    encode_group(group, {meeting, 1, 0}, room.at, work.only_first, work.out);
  }
}

void all_one_group(void* given) {
  Work& work = *static_cast<Work*>(given);
  const Team team = {work.meeting, std::min(omp_get_num_threads(), work.most_members()), omp_get_thread_num()};
  if (team.member >= team.size) return;
  for (int number = 0; number < work.count(); number++)
    encode_group(work.group(number), team, work.memory, work.only_first, work.out);
}

}  // namespace

extern "C" {

// Once in a process, before anything is encoded. 0: the system does not let this processor's instructions be used.
int prepare() { return permitted(); }

// Final states: (tokens, width), or with `only_first` (texts, width). Returns 0 where memory is missing.
int encode(const Encoder* encoder, const Texts* texts, int32_t threads, int32_t only_first, float* out) {
  Work work = {*encoder, *texts, threads, only_first != 0, out};
  if (threads == 1) {
    each_a_group(&work);
  } else if (work.count() >= std::min(threads, work.most_members())) {
    GOMP_parallel(each_a_group, &work, threads, 0);
  } else {
    size_t most = 0;
    for (int number = 0; number < work.count(); number++) {
      const Group group = work.group(number);
      most = std::max(most, group.shared + work.most_members() * group.own);
    }
    if (!room.reserve(most)) return 0;
    work.memory = room.at;
    GOMP_parallel(all_one_group, &work, threads, 0);
  }
  return work.done;
}
}
