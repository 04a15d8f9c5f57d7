import com.couchbase.lite.BasicAuthenticator;
import com.couchbase.lite.Database;
import com.couchbase.lite.ReplicatorConfiguration;
import com.couchbase.lite.ReplicatorType;
import com.couchbase.lite.URLEndpoint;
import java.net.URI;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONObject;

/**
 * A replicator's settings: url, type (PUSH, PULL, PUSH_AND_PULL), continuous, user ("name:password"), headers, pinned (a certificate's DER in
 * base64), documentIds, channels, pushFilter and pullFilter (see {@link Filters}), resolver (see {@link Resolvers}), heartbeat,
 * maxAttempts, maxAttemptWait (seconds).
 */
final class Settings {
  private Settings() {}

  static ReplicatorConfiguration of(Database database, JSONObject request) throws Exception {
    ReplicatorConfiguration settings = new ReplicatorConfiguration(database, new URLEndpoint(new URI(request.getString("url"))));
    settings.setType(ReplicatorType.valueOf(request.getString("type")));
    settings.setContinuous(request.optBoolean("continuous"));
    settings.setMaxAttempts(request.optInt("maxAttempts", 1));
    if (request.has("maxAttemptWait")) settings.setMaxAttemptWaitTime(request.getInt("maxAttemptWait"));
    if (request.has("heartbeat")) settings.setHeartbeat(request.getInt("heartbeat"));
    if (request.has("user")) {
      String user = request.getString("user");
      int colon = user.indexOf(':');
      settings.setAuthenticator(new BasicAuthenticator(user.substring(0, colon), user.substring(colon + 1).toCharArray()));
    }
    if (request.has("headers")) settings.setHeaders(strings(request.getJSONObject("headers")));
    if (request.has("pinned")) settings.setPinnedServerCertificate(Base64.getDecoder().decode(request.getString("pinned")));
    if (request.has("documentIds")) settings.setDocumentIDs(strings(request.getJSONArray("documentIds")));
    if (request.has("channels")) settings.setChannels(strings(request.getJSONArray("channels")));
    if (request.has("pushFilter")) settings.setPushFilter(Filters.named(request.getString("pushFilter")));
    if (request.has("pullFilter")) settings.setPullFilter(Filters.named(request.getString("pullFilter")));
    if (request.has("resolver")) settings.setConflictResolver(Resolvers.named(request.getString("resolver")));
    return settings;
  }

  private static List<String> strings(JSONArray array) throws Exception {
    List<String> strings = new ArrayList<>();
    for (int n = 0; n < array.length(); n++) strings.add(array.getString(n));
    return strings;
  }

  private static Map<String, String> strings(JSONObject object) throws Exception {
    Map<String, String> strings = new HashMap<>();
    for (var names = object.keys(); names.hasNext(); ) {
      String name = names.next();
      strings.put(name, object.getString(name));
    }
    return strings;
  }
}
