import com.couchbase.lite.BasicAuthenticator;
import com.couchbase.lite.Blob;
import com.couchbase.lite.CouchbaseLite;
import com.couchbase.lite.CouchbaseLiteException;
import com.couchbase.lite.DataSource;
import com.couchbase.lite.Database;
import com.couchbase.lite.DatabaseConfiguration;
import com.couchbase.lite.Document;
import com.couchbase.lite.LogLevel;
import com.couchbase.lite.Meta;
import com.couchbase.lite.MutableArray;
import com.couchbase.lite.MutableDictionary;
import com.couchbase.lite.MutableDocument;
import com.couchbase.lite.QueryBuilder;
import com.couchbase.lite.ReplicatedDocument;
import com.couchbase.lite.Replicator;
import com.couchbase.lite.ReplicatorActivityLevel;
import com.couchbase.lite.ReplicatorConfiguration;
import com.couchbase.lite.ReplicatorType;
import com.couchbase.lite.Result;
import com.couchbase.lite.SelectResult;
import com.couchbase.lite.URLEndpoint;
import java.io.File;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.json.JSONArray;
import org.json.JSONObject;

/**
 * Couchbase Lite on one database directory. Arguments: DIRECTORY COMMAND…, the commands carried out in order:
 *
 * <pre>
 *   fill COUNT            adds COUNT documents, some with blobs
 *   edit COUNT            changes COUNT documents, and deletes the COUNT / 2 after them
 *   push URL [USER:PASS]  one-shot; prints {"pushed":n,"errors":[…],"error":…}
 *   pull URL [USER:PASS]  one-shot; prints {"pulled":n,"errors":[…],"error":…}
 *   list                  prints {"id","rev","body","blobs":[{"path","digest","length","sha1"}]} for each document
 * </pre>
 *
 * Each line of standard output is one JSON object; `edit` prints {"id","rev","deleted":true} for what it deleted. Exit code 1 on any failure.
 */
public final class Witness {
  private static final int TIMEOUT_SECONDS = 120;

  private final Database database;
  private final PrintStream out;

  private Witness(Database database, PrintStream out) {
    this.database = database;
    this.out = out;
  }

  public static void main(String[] args) throws Exception {
    PrintStream out = new PrintStream(System.out, false, "UTF-8");
    System.setOut(System.err);
    int code = 0;
    try {
      File directory = new File(args[0]);
      CouchbaseLite.init(false, directory, new File(directory, "scratch"));
      Database.log.getConsole().setLevel(LogLevel.valueOf(System.getProperty("witness.log", "ERROR")));
      DatabaseConfiguration configuration = new DatabaseConfiguration();
      configuration.setDirectory(args[0]);
      Database database = new Database("witness", configuration);
      new Witness(database, out).run(args);
      database.close();
    } catch (Throwable failure) {
      failure.printStackTrace(System.err);
      code = 1;
    }
    out.flush();
    System.exit(code);
  }

  private void run(String[] args) throws Exception {
    int at = 1;
    while (at < args.length) {
      String command = args[at++];
      switch (command) {
        case "fill":
          fill(Integer.parseInt(args[at++]));
          break;
        case "edit":
          edit(Integer.parseInt(args[at++]));
          break;
        case "push":
        case "pull": {
          String url = args[at++];
          String user = at < args.length && args[at].contains(":") ? args[at++] : null;
          replicate(command.equals("push") ? ReplicatorType.PUSH : ReplicatorType.PULL, url, user);
          break;
        }
        case "list":
          list();
          break;
        default:
          throw new IllegalArgumentException("unknown command " + command);
      }
    }
  }

  private void fill(int count) throws Exception {
    database.inBatch(() -> {
      for (int n = 0; n < count; n++) database.save(document(n));
    });
  }

  /** A document that meets the corners of JSON: nesting, empty containers, null, both number kinds, escapes and text outside ASCII. */
  private static MutableDocument document(int n) {
    MutableDocument document = new MutableDocument(String.format("item-%05d", n));
    document.setString("name", "Item " + n + " – Größe \"XL\" \\ \u0001 日本 🍎");
    document.setInt("quantity", n - 500);
    document.setDouble("price", n * 0.25 + 0.1);
    document.setLong("serial", 9007199254740991L - n);
    document.setBoolean("sold", n % 3 == 0);
    document.setValue("nothing", null);
    MutableDictionary place = new MutableDictionary();
    place.setString("aisle", Character.toString((char) ('A' + n % 26)));
    MutableArray shelves = new MutableArray();
    for (int shelf = 0; shelf < n % 5; shelf++) shelves.addInt(shelf);
    place.setArray("shelves", shelves);
    place.setDictionary("empty", new MutableDictionary());
    document.setDictionary("place", place);
    if (n % 4 == 0) document.setBlob("picture", blob(n, 2000 + n % 7 * 1000));
    if (n % 50 == 0) {
      MutableArray pages = new MutableArray();
      pages.addBlob(blob(n + 1, 100_000));
      pages.addBlob(blob(7, 300));
      document.setArray("pages", pages);
    }
    return document;
  }

  private static Blob blob(int seed, int length) {
    byte[] content = new byte[length];
    new Random(seed).nextBytes(content);
    return new Blob("application/octet-stream", content);
  }

  private void edit(int count) throws Exception {
    List<String> ids = ids();
    database.inBatch(() -> {
      for (int n = 0; n < count; n++) {
        MutableDocument document = database.getDocument(ids.get(n)).toMutable();
        document.setInt("quantity", document.getInt("quantity") + 1);
        document.remove("nothing");
        if (n % 10 == 0) document.setBlob("picture", blob(10_000 + n, 5000));
        database.save(document);
      }
      for (String id : ids.subList(count, count + count / 2)) {
        Document document = database.getDocument(id);
        database.delete(document);
        out.println(new JSONObject().put("id", id).put("rev", document.getRevisionID()).put("deleted", true));
      }
    });
  }

  private void replicate(ReplicatorType type, String url, String user) throws Exception {
    ReplicatorConfiguration configuration = new ReplicatorConfiguration(database, new URLEndpoint(new URI(url)));
    configuration.setType(type).setContinuous(false).setMaxAttempts(1);
    if (user != null) {
      int colon = user.indexOf(':');
      configuration.setAuthenticator(new BasicAuthenticator(user.substring(0, colon), user.substring(colon + 1).toCharArray()));
    }
    Replicator replicator = new Replicator(configuration);
    CountDownLatch stopped = new CountDownLatch(1);
    List<String> errors = Collections.synchronizedList(new ArrayList<>());
    int[] transferred = {0};
    CouchbaseLiteException[] failure = {null};
    replicator.addDocumentReplicationListener(replication -> {
      for (ReplicatedDocument document : replication.getDocuments()) {
        if (document.getError() == null) transferred[0]++;
        else errors.add(document.getID() + ": " + document.getError().getMessage());
      }
    });
    replicator.addChangeListener(change -> {
      if (change.getStatus().getActivityLevel() != ReplicatorActivityLevel.STOPPED) return;
      failure[0] = change.getStatus().getError();
      stopped.countDown();
    });
    replicator.start(false);
    if (!stopped.await(TIMEOUT_SECONDS, TimeUnit.SECONDS)) throw new IllegalStateException("the replicator did not stop: " + replicator.getStatus());
    JSONObject line = new JSONObject().put(type == ReplicatorType.PUSH ? "pushed" : "pulled", transferred[0]).put("errors", new JSONArray(errors));
    if (failure[0] != null) line.put("error", failure[0].getDomain() + " " + failure[0].getCode() + " " + failure[0].getMessage());
    out.println(line);
  }

  private List<String> ids() throws CouchbaseLiteException {
    List<String> ids = new ArrayList<>();
    for (Result row : QueryBuilder.select(SelectResult.expression(Meta.id)).from(DataSource.database(database)).execute()) ids.add(row.getString(0));
    Collections.sort(ids);
    return ids;
  }

  private void list() throws Exception {
    for (String id : ids()) {
      Document document = database.getDocument(id);
      JSONArray blobs = new JSONArray();
      if (document.getBlob("picture") != null) blobs.put(describe("picture", document.getBlob("picture")));
      if (document.getArray("pages") != null) {
        for (int n = 0; n < document.getArray("pages").count(); n++) blobs.put(describe("pages." + n, document.getArray("pages").getBlob(n)));
      }
      out.println(new JSONObject().put("id", id).put("rev", document.getRevisionID()).put("body", new JSONObject(document.toJSON())).put("blobs", blobs));
    }
  }

  private static JSONObject describe(String path, Blob blob) throws Exception {
    byte[] content = blob.getContent();
    JSONObject line = new JSONObject().put("path", path).put("digest", blob.digest()).put("length", blob.length());
    if (content == null) return line.put("sha1", JSONObject.NULL);
    byte[] sha1 = MessageDigest.getInstance("SHA-1").digest(content);
    return line.put("sha1", "sha1-" + new String(Base64.getEncoder().encode(sha1), StandardCharsets.US_ASCII));
  }
}
