// A client that measures itself: raw sd-bus, one line in, one cycle, one line of JSON out. Two of them:
//   floor   the least that a program can do with BlueZ: Connect, wait for ServicesResolved, Disconnect; a
//   line is a path daemon  EstablishConnection and ReleaseConnection of org.bleconnd; a line is an address
// `hold`: EstablishConnection at a set time of CLOCK_MONOTONIC, and its release when a line comes; a user's
// program, where what drives the benchmark would be a slow one.
// And `relay`: the least that a daemon can do: it has the name and these two methods, makes the floor's calls
// for them, and nothing else. What a row takes with it is the share of D-Bus in having a daemon at all. And
// `name`: a line each time that org.bleconnd gets an owner, with the time, so that nothing else delays the
// clock.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

static const char kBluez[] = "org.bluez";
static const char kDevice[] = "org.bluez.Device1";
static const char kDeviceChanges[] =
    "type='signal',sender='org.bluez',path_namespace='/org/bluez',"
    "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'";
static const uint64_t kPatience = 150ull * 1000000;  // us

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int call(sd_bus* bus, const char* service, const char* path, const char* interface, const char* member,
                const char* address, char* failure, size_t size) {
  sd_bus_message* message = NULL;
  sd_bus_error error = SD_BUS_ERROR_NULL;
  int result = sd_bus_message_new_method_call(bus, &message, service, path, interface, member);
  if (result >= 0 && address) result = sd_bus_message_append(message, "sa{sv}", address, 0);
  if (result >= 0) result = sd_bus_call(bus, message, kPatience, &error, NULL);
  if (result < 0) snprintf(failure, size, "%s: %s", member, error.name ? error.name : strerror(-result));
  sd_bus_error_free(&error);
  sd_bus_message_unref(message);
  return result;
}

// --- floor ---

struct resolved {
  const char* path;
  int yes;
};

static int properties_changed(sd_bus_message* signal, void* data, sd_bus_error* error) {
  struct resolved* wanted = data;
  const char* interface = NULL;
  (void)error;
  if (!wanted->path || strcmp(sd_bus_message_get_path(signal), wanted->path) != 0) return 0;
  if (sd_bus_message_read(signal, "s", &interface) < 0 || strcmp(interface, kDevice) != 0) return 0;
  if (sd_bus_message_enter_container(signal, 'a', "{sv}") < 0) return 0;
  while (sd_bus_message_enter_container(signal, 'e', "sv") > 0) {
    const char* name = NULL;
    int value = 0;
    sd_bus_message_read(signal, "s", &name);
    if (strcmp(name, "ServicesResolved") == 0 && sd_bus_message_read(signal, "v", "b", &value) >= 0)
      wanted->yes = value;
    else
      sd_bus_message_skip(signal, "v");
    sd_bus_message_exit_container(signal);
  }
  return 0;
}

static int floor_cycle(sd_bus* bus, struct resolved* resolved, const char* path, int64_t* usable,
                       char* failure, size_t size) {
  resolved->path = path;
  resolved->yes = 0;
  int result = call(bus, kBluez, path, kDevice, "Connect", NULL, failure, size);
  while (result >= 0 && !resolved->yes) {
    result = sd_bus_process(bus, NULL);
    if (result == 0) result = sd_bus_wait(bus, kPatience);
    if (result < 0) snprintf(failure, size, "ServicesResolved: %s", strerror(-result));
  }
  *usable = now_ns();
  if (result >= 0) result = call(bus, kBluez, path, kDevice, "Disconnect", NULL, failure, size);
  return result;
}

// --- daemon ---

static int daemon_cycle(sd_bus* bus, const char* address, int64_t* usable, char* failure, size_t size) {
  const char* manager = "org.bleconnd.Manager1";
  int result =
      call(bus, "org.bleconnd", "/org/bleconnd", manager, "EstablishConnection", address, failure, size);
  *usable = now_ns();
  if (result >= 0)
    result = call(bus, "org.bleconnd", "/org/bleconnd", manager, "ReleaseConnection", address, failure, size);
  return result;
}

static int answer_lines(sd_bus* bus, int floor) {
  struct resolved resolved = {NULL, 0};
  char line[256];
  if (floor && sd_bus_add_match(bus, NULL, kDeviceChanges, properties_changed, &resolved) < 0) return 1;
  while (printf("{\"ready\":true}\n"), fflush(stdout), fgets(line, sizeof line, stdin)) {
    char failure[200] = "";
    int64_t usable = 0;
    line[strcspn(line, "\n")] = '\0';
    const int64_t began = now_ns();
    if (floor)
      floor_cycle(bus, &resolved, line, &usable, failure, sizeof failure);
    else
      daemon_cycle(bus, line, &usable, failure, sizeof failure);
    printf("{\"usable\":%.6f,\"wall\":%.6f,\"failure\":\"%s\"}\n", (double)(usable - began) / 1e6,
           (double)(now_ns() - began) / 1e6, failure);
    resolved.path = NULL;
  }
  return 0;
}

// --- hold ---

static void wait_until(int64_t at_ns) {
  const int64_t almost = at_ns - 5000000;
  const struct timespec until = {almost / 1000000000, almost % 1000000000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
  while (now_ns() < at_ns) {
  }
}

// 1, 0 where the answer does not say so, or an errno.
static int services_from_cache(sd_bus_message* answer) {
  int cached = 0;
  int result = sd_bus_message_skip(answer, "o");
  if (result >= 0) result = sd_bus_message_enter_container(answer, 'a', "{sv}");
  while (result >= 0 && (result = sd_bus_message_enter_container(answer, 'e', "sv")) > 0) {
    const char* name = NULL;
    result = sd_bus_message_read(answer, "s", &name);
    if (result >= 0)
      result = strcmp(name, "services-from-cache") == 0 ? sd_bus_message_read(answer, "v", "b", &cached)
                                                        : sd_bus_message_skip(answer, "v");
    if (result >= 0) result = sd_bus_message_exit_container(answer);
  }
  return result < 0 ? result : cached;
}

static int hold_link(sd_bus* bus, const char* address, int64_t at_ns) {
  const char* manager = "org.bleconnd.Manager1";
  char failure[200] = "";
  char line[8];
  sd_bus_message* answer = NULL;
  sd_bus_error error = SD_BUS_ERROR_NULL;
  if (now_ns() >= at_ns) {
    fprintf(stderr, "cycle: the time to call at has passed\n");
    return 1;
  }
  wait_until(at_ns);
  int cached = sd_bus_call_method(bus, "org.bleconnd", "/org/bleconnd", manager, "EstablishConnection",
                                  &error, &answer, "sa{sv}", address, 0);
  const int64_t usable = now_ns();
  if (cached < 0) snprintf(failure, sizeof failure, "%s", error.name ? error.name : strerror(-cached));
  if (cached >= 0) cached = services_from_cache(answer);
  printf("{\"usable\":%.9f,\"cached\":%s,\"failure\":\"%s\"}\n", (double)(usable - at_ns) / 1e9,
         cached > 0 ? "true" : "false", failure);
  fflush(stdout);
  sd_bus_error_free(&error);
  sd_bus_message_unref(answer);
  if (!fgets(line, sizeof line, stdin)) return 0;
  uint32_t left = 1;
  answer = NULL;
  int released = sd_bus_call_method(bus, "org.bleconnd", "/org/bleconnd", manager, "ReleaseConnection", NULL,
                                    &answer, "sa{sv}", address, 0);
  if (released >= 0) released = sd_bus_message_read(answer, "u", &left);
  sd_bus_message_unref(answer);
  if (released < 0) fprintf(stderr, "cycle: ReleaseConnection: %s\n", strerror(-released));
  if (released >= 0 && left > 0) fprintf(stderr, "cycle: %u leases are left\n", left);
  return released < 0 || left > 0;
}

// --- relay: one call at a time ---

struct relay {
  sd_bus* bus;
  sd_bus_message* call;  // to be answered
  struct resolved resolved;
  char path[64];
  int connected;
};

static int answer_establish(struct relay* relay) {
  if (!relay->call || !relay->connected || !relay->resolved.yes) return 0;
  sd_bus_message* call = relay->call;
  relay->call = NULL;
  relay->resolved.path = NULL;
  relay->connected = 0;
  const int result = sd_bus_reply_method_return(call, "oa{sv}", relay->path, 0);
  sd_bus_message_unref(call);
  return result;
}

static int relay_error(struct relay* relay, sd_bus_message* reply) {
  const int result = sd_bus_reply_method_error(relay->call, sd_bus_message_get_error(reply));
  sd_bus_message_unref(relay->call);
  relay->call = NULL;
  return result;
}

static int on_connected(sd_bus_message* reply, void* data, sd_bus_error* error) {
  struct relay* relay = data;
  (void)error;
  if (sd_bus_message_is_method_error(reply, NULL) > 0) return relay_error(relay, reply);
  relay->connected = 1;
  return answer_establish(relay);
}

static int on_disconnected(sd_bus_message* reply, void* data, sd_bus_error* error) {
  struct relay* relay = data;
  (void)error;
  if (sd_bus_message_is_method_error(reply, NULL) > 0) return relay_error(relay, reply);
  sd_bus_message* call = relay->call;
  relay->call = NULL;
  const int result = sd_bus_reply_method_return(call, "u", 0);
  sd_bus_message_unref(call);
  return result;
}

static int relayed_signal(sd_bus_message* signal, void* data, sd_bus_error* error) {
  struct relay* relay = data;
  const int result = properties_changed(signal, &relay->resolved, error);
  return result < 0 ? result : answer_establish(relay);
}

static int relay_call(sd_bus_message* call, struct relay* relay, const char* member,
                      sd_bus_message_handler_t done) {
  const char* address = NULL;
  if (relay->call) return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_LIMITS_EXCEEDED, "one at a time");
  if (sd_bus_message_read(call, "s", &address) < 0 || strlen(address) != 17) return -EINVAL;
  snprintf(relay->path, sizeof relay->path, "/org/bluez/hci0/dev_%s", address);
  for (char* at = relay->path; *at; ++at)
    if (*at == ':') *at = '_';
  relay->call = sd_bus_message_ref(call);
  return sd_bus_call_method_async(relay->bus, NULL, kBluez, relay->path, kDevice, member, done, relay, NULL);
}

static int relay_establish(sd_bus_message* call, void* data, sd_bus_error* error) {
  struct relay* relay = data;
  (void)error;
  relay->connected = 0;
  relay->resolved = (struct resolved){relay->path, 0};
  return relay_call(call, relay, "Connect", on_connected);
}

static int relay_release(sd_bus_message* call, void* data, sd_bus_error* error) {
  (void)error;
  return relay_call(call, data, "Disconnect", on_disconnected);
}

static const sd_bus_vtable kRelay[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("EstablishConnection", "sa{sv}", "oa{sv}", relay_establish, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ReleaseConnection", "sa{sv}", "u", relay_release, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END};

static int process_forever(sd_bus* bus) {
  for (;;) {
    int result = sd_bus_process(bus, NULL);
    if (result == 0) result = sd_bus_wait(bus, UINT64_MAX);
    if (result < 0) return 1;
  }
}

static int relay_calls(sd_bus* bus) {
  struct relay relay = {.bus = bus};
  if (sd_bus_add_match(bus, NULL, kDeviceChanges, relayed_signal, &relay) < 0 ||
      sd_bus_add_object_vtable(bus, NULL, "/org/bleconnd", "org.bleconnd.Manager1", kRelay, &relay) < 0 ||
      sd_bus_request_name(bus, "org.bleconnd", 0) < 0)
    return 1;
  printf("{\"ready\":true}\n");
  fflush(stdout);
  return process_forever(bus);
}

// --- name ---

static int owner_changed(sd_bus_message* signal, void* data, sd_bus_error* error) {
  const char *name = NULL, *before = NULL, *after = NULL;
  (void)data;
  (void)error;
  if (sd_bus_message_read(signal, "sss", &name, &before, &after) < 0 || !*after) return 0;
  printf("{\"owned\":%.6f}\n", (double)now_ns() / 1e6);
  fflush(stdout);
  return 0;
}

static int tell_owners(sd_bus* bus) {
  if (sd_bus_add_match(bus, NULL,
                       "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                       "member='NameOwnerChanged',arg0='org.bleconnd'",
                       owner_changed, NULL) < 0)
    return 1;
  printf("{\"ready\":true}\n");
  fflush(stdout);
  return process_forever(bus);
}

int main(int count, char** words) {
  sd_bus* bus = NULL;
  const char* mode = count == 2 ? words[1] : "";
  const int floor = strcmp(mode, "floor") == 0;
  const int relay = strcmp(mode, "relay") == 0;
  const int name = strcmp(mode, "name") == 0;
  const int hold = count == 4 && strcmp(words[1], "hold") == 0;
  if (!floor && !relay && !name && !hold && strcmp(mode, "daemon") != 0) {
    fprintf(stderr, "usage: cycle floor|daemon|relay|name\n       cycle hold ADDRESS SECONDS\n");
    return 2;
  }
  if (sd_bus_open_system(&bus) < 0) {
    fprintf(stderr, "cycle: no bus\n");
    return 1;
  }
  if (name) return tell_owners(bus);
  if (hold) return hold_link(bus, words[2], (int64_t)(strtod(words[3], NULL) * 1e9));
  return relay ? relay_calls(bus) : answer_lines(bus, floor);
}
