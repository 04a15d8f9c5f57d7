import com.couchbase.lite.Database;
import com.couchbase.lite.DatabaseConfiguration;
import java.io.File;
import java.util.HashMap;
import java.util.Map;
import org.json.JSONObject;

/**
 * The open databases by name; one that is asked for is opened, and made if missing.
 *
 * <pre>
 *   close {database}   so that the next use reads it from disk
 * </pre>
 */
final class Databases {
  private final File directory;
  private final Map<String, Database> open = new HashMap<>();

  Databases(File directory) {
    this.directory = directory;
  }

  void register(Map<String, Witness.Command> commands) {
    commands.put("close", request -> {
      close(request.getString("database"));
      return null;
    });
  }

  Database of(JSONObject request) throws Exception {
    return named(request.getString("database"));
  }

  private synchronized Database named(String name) throws Exception {
    Database database = open.get(name);
    if (database == null) {
      DatabaseConfiguration configuration = new DatabaseConfiguration();
      configuration.setDirectory(directory.getPath());
      database = new Database(name, configuration);
      open.put(name, database);
    }
    return database;
  }

  private synchronized void close(String name) throws Exception {
    Database database = open.remove(name);
    if (database != null) database.close();
  }
}
