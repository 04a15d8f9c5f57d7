import com.couchbase.lite.Document;
import com.couchbase.lite.MutableDocument;
import java.util.Map;
import org.json.JSONObject;

/**
 * Numbers with their kind, which JSON text alone does not tell: a number is told, and given, as "long 5" or "double 5.0".
 *
 * <pre>
 *   putNumbers {database, id, numbers: {name: number}}   its revision id
 *   numbers    {database, id}                            {name: number}
 * </pre>
 */
final class Numbers {
  private final Databases databases;

  Numbers(Databases databases) {
    this.databases = databases;
  }

  void register(Map<String, Witness.Command> commands) {
    commands.put("putNumbers", this::put);
    commands.put("numbers", this::get);
  }

  private Object put(JSONObject request) throws Exception {
    MutableDocument document = new MutableDocument(request.getString("id"));
    JSONObject numbers = request.getJSONObject("numbers");
    for (var names = numbers.keys(); names.hasNext(); ) {
      String name = names.next();
      String[] parts = numbers.getString(name).split(" ");
      if (parts[0].equals("long")) document.setLong(name, Long.parseLong(parts[1]));
      else document.setDouble(name, Double.parseDouble(parts[1]));
    }
    databases.of(request).save(document);
    return document.getRevisionID();
  }

  private Object get(JSONObject request) throws Exception {
    Document document = databases.of(request).getDocument(request.getString("id"));
    JSONObject numbers = new JSONObject();
    for (String name : document.getKeys()) {
      Number number = document.getNumber(name);
      boolean whole = number instanceof Long || number instanceof Integer;
      numbers.put(name, whole ? "long " + number.longValue() : "double " + number.doubleValue());
    }
    return numbers;
  }
}
