// A client that measures itself: raw sd-bus, one line in, one cycle, one line of JSON out. Two of them:
//   floor   the least that a program can do with BlueZ: Connect, wait for ServicesResolved, Disconnect; a line is a path
//   daemon  EstablishConnection and ReleaseConnection of org.bleconnd; a line is an address
// And `name`: a line each time that org.bleconnd gets an owner, with the time, so that nothing else delays the clock.
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

static const char kBluez[] = "org.bluez";
static const char kDevice[] = "org.bluez.Device1";
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
  if (result < 0)
    snprintf(failure, size, "%s: %s", member, error.name ? error.name : strerror(-result));
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

static int floor_cycle(sd_bus* bus, struct resolved* resolved, const char* path, int64_t* usable, char* failure,
                       size_t size) {
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
  int result = call(bus, "org.bleconnd", "/org/bleconnd", manager, "EstablishConnection", address, failure, size);
  *usable = now_ns();
  if (result >= 0)
    result = call(bus, "org.bleconnd", "/org/bleconnd", manager, "ReleaseConnection", address, failure, size);
  return result;
}

static int answer_lines(sd_bus* bus, int floor) {
  struct resolved resolved = {NULL, 0};
  char line[256];
  if (floor && sd_bus_add_match(bus, NULL,
                                "type='signal',sender='org.bluez',path_namespace='/org/bluez',"
                                "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'",
                                properties_changed, &resolved) < 0)
    return 1;
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
  for (;;) {
    int result = sd_bus_process(bus, NULL);
    if (result == 0) result = sd_bus_wait(bus, UINT64_MAX);
    if (result < 0) return 1;
  }
}

int main(int count, char** words) {
  sd_bus* bus = NULL;
  const int floor = count == 2 && strcmp(words[1], "floor") == 0;
  if (!floor && !(count == 2 && (strcmp(words[1], "daemon") == 0 || strcmp(words[1], "name") == 0))) {
    fprintf(stderr, "usage: cycle floor|daemon|name\n");
    return 2;
  }
  if (sd_bus_open_system(&bus) < 0) {
    fprintf(stderr, "cycle: no bus\n");
    return 1;
  }
  return strcmp(words[1], "name") == 0 ? tell_owners(bus) : answer_lines(bus, floor);
}
