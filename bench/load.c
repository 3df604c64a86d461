// Closed-loop HTTP/1.1 load, one thread, epoll, keep-alive.  load PORT PATH BODYFILE CONNS SECONDS [FIRSTFILE [HEADERS]]
// Stops ISSUING after SECONDS, then waits for the outstanding answers, so gateway CPU divides exactly by the answers counted.
// Every answer's body is compared with the first one's (byte for byte); status must be 200.  127.0.0.1 only.
// FIRSTFILE: the first answer's body is written there, for whoever knows what it should be.
// HEADERS: further header lines of each request, each with its line break.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
typedef struct { int fd; char *buf; size_t len, cap; size_t sent; double t0; int busy; int dead; } C;
static char *req; static size_t reqlen; static struct sockaddr_in addr; static int ep;
static char *first; static size_t firstlen;
static double *lat; static size_t nlat, caplat; static long err_status, err_read, diff, bytes, reconn; static int conns;
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static int cmp(const void *a, const void *b) { double x = *(double *)a, y = *(double *)b; return x < y ? -1 : x > y; }
static void copen(C *c) {
  c->fd = socket(AF_INET, SOCK_STREAM, 0); int one = 1; setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(c->fd, (void *)&addr, sizeof addr)) { c->dead = 1; close(c->fd); return; }
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c}; epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
}
static void wr(C *c) {
  while (c->sent < reqlen) { ssize_t n = write(c->fd, req + c->sent, reqlen - c->sent);
    if (n < 0) { if (errno == EAGAIN) { struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c}; epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e); return; } err_read++; c->dead = 1; return; }
    c->sent += n; }
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c}; epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}
static void issue(C *c) { c->len = 0; c->sent = 0; c->busy = 1; c->t0 = now(); wr(c); }
// 0 = incomplete, else body start/len set, returns total consumed
static size_t parse(C *c, int *status, char **body, size_t *blen, int *close_after) {
  char *h = memmem(c->buf, c->len, "\r\n\r\n", 4); if (!h) return 0;
  size_t hl = h + 4 - c->buf; long cl = -1; int chunked = 0; *close_after = 0; *status = atoi(c->buf + 9);
  for (char *p = memmem(c->buf, hl, "\r\n", 2) + 2; p < h + 2;) { char *e = memmem(p, c->buf + hl - p, "\r\n", 2);
    if (!strncasecmp(p, "content-length:", 15)) cl = atol(p + 15);
    if (!strncasecmp(p, "transfer-encoding:", 18) && memmem(p, e - p, "chunked", 7)) chunked = 1;
    if (!strncasecmp(p, "connection:", 11) && memmem(p, e - p, "close", 5)) *close_after = 1;
    p = e + 2; }
  if (!chunked) { if (cl < 0) cl = 0; if (c->len < hl + cl) return 0; *body = c->buf + hl; *blen = cl; return hl + cl; }
  // chunked: check complete first, then compact in place
  size_t q = hl; for (;;) { char *e = memmem(c->buf + q, c->len - q, "\r\n", 2); if (!e) return 0; size_t n = strtoul(c->buf + q, 0, 16);
    size_t next = (e - c->buf) + 2 + n + 2; if (c->len < next) return 0; q = next; if (!n) break; }
  size_t o = hl, tot = q; q = hl; for (;;) { char *e = memmem(c->buf + q, tot - q, "\r\n", 2); size_t n = strtoul(c->buf + q, 0, 16); if (!n) break;
    memmove(c->buf + o, e + 2, n); o += n; q = (e - c->buf) + 2 + n + 2; }
  *body = c->buf + hl; *blen = o - hl; return tot;
}
int main(int a, char **v) {
  if (a < 6) return 2; int port = atoi(v[1]); conns = atoi(v[4]); double secs = atof(v[5]); if (conns > 500 || secs > 120) return 2;
  FILE *f = fopen(v[3], "rb"); static char body[1 << 20]; size_t bl = fread(body, 1, sizeof body, f); fclose(f);
  const char *more = a > 7 ? v[7] : ""; req = malloc(bl + strlen(more) + 1024);
  reqlen = sprintf(req, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nAccept: application/json\r\nContent-Length: %zu\r\n%s\r\n", v[2], port, bl, more);
  memcpy(req + reqlen, body, bl); reqlen += bl;
  addr.sin_family = AF_INET; addr.sin_port = htons(port); addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK); ep = epoll_create1(0);
  caplat = 1 << 22; lat = malloc(caplat * sizeof *lat); C *cs = calloc(conns, sizeof(C));
  for (int i = 0; i < conns; i++) { cs[i].cap = 1 << 18; cs[i].buf = malloc(cs[i].cap); copen(&cs[i]); if (cs[i].dead) { fprintf(stderr, "connect failed\n"); return 1; } }
  double start = now(), end = start + secs, hard = end + 30, last = start; for (int i = 0; i < conns; i++) issue(&cs[i]);
  int out = conns; struct epoll_event ev[256]; long in_time = 0;
  while (out > 0 && now() < hard) {
    int n = epoll_wait(ep, ev, 256, 200);
    for (int i = 0; i < n; i++) { C *c = ev[i].data.ptr; if (c->dead) continue;
      if (ev[i].events & EPOLLOUT) wr(c);
      if (!(ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) continue;
      ssize_t r; int eof = 0;
      for (;;) { if (c->cap - c->len < 65536) { c->cap *= 2; c->buf = realloc(c->buf, c->cap); }
        size_t room = c->cap - c->len; r = read(c->fd, c->buf + c->len, room);
        if (r > 0) { c->len += r; if ((size_t)r < room) break; } else { if (r == 0 || errno != EAGAIN) eof = 1; break; } }
      int st, ca; char *b; size_t l; size_t tot = c->busy && c->len ? parse(c, &st, &b, &l, &ca) : 0;
      if (tot) { double t = now(); last = t; if (nlat < caplat) lat[nlat++] = t - c->t0; bytes += tot; if (t <= end) in_time++;
        if (st != 200) err_status++; if (!first) { first = malloc(l + 1); memcpy(first, b, l); firstlen = l; } else if (l != firstlen || memcmp(first, b, l)) diff++;
        c->busy = 0; if (ca || eof) { close(c->fd); reconn++; if (t < end) copen(c); }
        if (t < end && !c->dead) issue(c); else out--; }
      else if (eof) { err_read++; close(c->fd); if (c->busy) { if (now() < end) { copen(c); if (!c->dead) issue(c); else out--; } else { c->dead = 1; out--; } } else c->dead = 1; } } }
  double s = 0; for (size_t i = 0; i < nlat; i++) s += lat[i]; qsort(lat, nlat, sizeof *lat, cmp);
  if (a > 6 && first) { FILE *o = fopen(v[6], "wb"); if (!o) return 1; fwrite(first, 1, firstlen, o); fclose(o); }
#define P(p) (nlat ? lat[(size_t)((nlat - 1) * (p))] * 1e3 : 0)
  printf("{\"requests\":%zu,\"in_time\":%ld,\"secs\":%.3f,\"drained_secs\":%.3f,\"bytes\":%ld,\"body_len\":%zu,\"err_status\":%ld,\"err_read\":%ld,\"err_unanswered\":%d,\"err_different_body\":%ld,\"reconnects\":%ld,\"mean\":%.4f,\"p50\":%.4f,\"p90\":%.4f,\"p95\":%.4f,\"p99\":%.4f,\"p999\":%.4f,\"max\":%.4f}\n",
    nlat, in_time, secs, last - start, bytes, firstlen, err_status, err_read, out, diff, reconn, nlat ? s / nlat * 1e3 : 0, P(.5), P(.9), P(.95), P(.99), P(.999), P(1.0));
  return 0;
}
